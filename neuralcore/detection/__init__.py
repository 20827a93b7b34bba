"""Networks that find objects and put boxes around them, and the task of learning it.

A network of `MODELS` is `Class(classes, *, channels, size, …)`; `size` is the longer side of the images. It has
`losses(images, objects, generator)`, name -> scalar, whose sum is to be lowered, and `detect(images)`, what it finds
in each image; both take normalised images (B, channels, H, W). `objects.py` has what is told and found.
"""

from __future__ import annotations

MODELS = {
    "retina": "neuralcore.detection.retina:Retina",
    "faster_rcnn": "neuralcore.detection.faster_rcnn:FasterRCNN",
}
