"""Networks that say of every pixel what it belongs to, and the task of learning it.

A network of `MODELS` is `Class(classes, *, channels, size, …)`, normalised images (B, channels, H, W) -> logits
(B, classes, H - 2 margin, W - 2 margin); `size` is the side of what comes out. Its `margin` is how many pixels at
each border only lend their context, 0 for most; `fitting(side)` the least number of pixels, `side` or more, that can
come out along an axis.
"""

from __future__ import annotations

MODELS = {
    "fcn": "neuralcore.segmentation.fcn:FCN",
    "segnet": "neuralcore.segmentation.segnet:SegNet",
    "unet": "neuralcore.segmentation.unet:UNet",
}
