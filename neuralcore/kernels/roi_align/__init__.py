"""Op `roi_align`: a grid of S x S feature vectors of each box, interpolated (He et al. 2017, Mask R-CNN, section 3).

A box, scaled to the feature maps, is cut into S x S cells; a cell is the mean of `samples` x `samples` points spread
evenly in it. Pixel (i, j) of a map has its centre at (i + ½, j + ½), and a point is interpolated between the four
centres around it ("aligned"; the first code of the paper left out the half pixel). A point outside by less than a
pixel takes the border's value, one further out is 0.

Nothing is rounded, so what comes out moves with the box by fractions of a pixel. Axes: B images of H x W pixels,
C channels, R boxes. Channels are last: they lie side by side in memory.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.shape import match_shape


def roi_align(
    features: Any,
    boxes: Any,
    images: Any,
    scale: float,
    size: int,
    samples: int,
    *,
    implementation: kernels.Implementation = "auto",
) -> Any:
    """(R, S, S, C) float32.

    Args:
        features: (B, H, W, C) float32, C-contiguous as all arrays here.
        boxes: (R, 4) float32, left, top, right, bottom in pixels of the image.
        images: (R,) int64 in 0 … B-1 (not checked here), which image a box is of.
        scale: pixels of the feature maps for one of the image, as 1/8.
        size: S. samples: points of a cell along either axis.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where the features
            live.

    Raises:
        ValueError: a shape, a dtype or a number does not fit.
    """
    match_shape(features, -1, -1, -1, -1, name="features")
    match_boxes(boxes, images, scale, size, samples)
    if str(features.dtype).removeprefix("torch.") != "float32":
        raise ValueError(f"features are {features.dtype}, expected float32")
    align = kernels.implementation("roi_align", implementation, features)
    return align(features, boxes, images, float(scale), int(size), int(samples))


def match_boxes(boxes: Any, images: Any, scale: float, size: int, samples: int) -> int:
    """Check what `roi_align` and its backward pass share; R.

    Raises:
        ValueError: as there.
    """
    (count,) = match_shape(boxes, -1, 4, name="boxes")
    match_shape(images, count, name="images")
    for name, array, dtype in (("boxes", boxes, "float32"), ("images", images, "int64")):
        if str(array.dtype).removeprefix("torch.") != dtype:
            raise ValueError(f"{name} are {array.dtype}, expected {dtype}")
    if not scale > 0.0 or size < 1 or samples < 1:
        raise ValueError(f"scale must be above 0, size and samples 1 or more, got {scale}, {size}, {samples}")
    return count
