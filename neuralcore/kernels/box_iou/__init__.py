"""Op `box_iou`: how much each box of one list overlaps each of another (Jaccard's index).

    IoU(a, b) = |a ∩ b| / |a ∪ b|,   0 where both are empty

A box is left, top, right, bottom. No gradient: it serves matching, suppression and judging. Axes: N boxes, M others.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.shape import match_shape


def box_iou(boxes: Any, others: Any, *, implementation: kernels.Implementation = "auto") -> Any:
    """(N, M) float32 in [0, 1].

    Args:
        boxes: (N, 4) float32, C-contiguous. others: (M, 4), likewise.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `boxes` lives.

    Raises:
        ValueError: a shape or dtype does not fit.
    """
    for name, array in (("boxes", boxes), ("others", others)):
        match_shape(array, -1, 4, name=name)
        if str(array.dtype).removeprefix("torch.") != "float32":
            raise ValueError(f"{name} are {array.dtype}, expected float32")
    return kernels.implementation("box_iou", implementation, boxes)(boxes, others)
