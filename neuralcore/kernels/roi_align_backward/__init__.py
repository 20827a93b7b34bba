"""Op `roi_align_backward`: the gradient of what op `roi_align` gives, by its feature maps.

Every point of a box gives its share of the cell's gradient back to the four pixels around it, by the weights that it
took from them. Boxes get no gradient: they are proposals. Axes: as in `roi_align`.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.kernels.roi_align import match_boxes
from neuralcore.shape import match_shape


def roi_align_backward(
    gradient: Any,
    boxes: Any,
    images: Any,
    scale: float,
    samples: int,
    shape: tuple[int, int, int],
    *,
    implementation: kernels.Implementation = "auto",
) -> Any:
    """(B, H, W, C) float32, the gradient by the features.

    Args:
        gradient: (R, S, S, C) float32, by what `roi_align` gave, C-contiguous as all arrays here.
        boxes, images, scale, samples: as given to `roi_align`.
        shape: (B, H, W) of the features.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors; sums there are in no fixed order)
            or "auto", by where `gradient` lives.

    Raises:
        ValueError: a shape, a dtype or a number does not fit.
    """
    _, size, _, _ = match_shape(gradient, -1, -1, -1, -1, name="gradient")
    match_shape(gradient, match_boxes(boxes, images, scale, size, samples), size, size, -1, name="gradient")
    if str(gradient.dtype).removeprefix("torch.") != "float32":
        raise ValueError(f"gradient is {gradient.dtype}, expected float32")
    scatter = kernels.implementation("roi_align_backward", implementation, gradient)
    return scatter(gradient, boxes, images, float(scale), int(samples), tuple(map(int, shape)))
