"""Op `nms`: of boxes that overlap, the one with the best score (non-maximum suppression).

In order of their scores, of equal ones in order of their rows, a box is kept unless one that was kept before it, of
the same group, overlaps it by an IoU above the threshold. Axes: N boxes, K that are kept.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.shape import match_shape


def nms(
    boxes: Any, scores: Any, groups: Any, threshold: float, *, implementation: kernels.Implementation = "auto"
) -> Any:
    """(K,) int64: the rows that are kept, the best first.

    Args:
        boxes: (N, 4) float32, left, top, right, bottom; C-contiguous as all arrays here.
        scores: (N,) float32, none of them NaN (not checked here).
        groups: (N,) int64; boxes of different groups, as of classes or images, leave each other alone.
        threshold: IoU in [0, 1].
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors, up to 16,384 boxes) or "auto", by
            where `boxes` lives.

    Raises:
        ValueError: a shape, a dtype or the threshold does not fit.
    """
    (count,) = match_shape(boxes, -1, 4, name="boxes")
    for name, array, dtype in (
        ("boxes", boxes, "float32"),
        ("scores", scores, "float32"),
        ("groups", groups, "int64"),
    ):
        if name != "boxes":
            match_shape(array, count, name=name)
        if str(array.dtype).removeprefix("torch.") != dtype:
            raise ValueError(f"{name} are {array.dtype}, expected {dtype}")
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be from 0 to 1, got {threshold}")
    return kernels.implementation("nms", implementation, boxes)(boxes, scores, groups, float(threshold))
