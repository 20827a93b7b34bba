"""What is in an image: as it is told to a network, and as a network tells it."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Objects(NamedTuple):
    """The M objects of one image.

    Attributes:
        boxes: (M, 4) float32, left, top, right, bottom in pixels. kinds: (M,) int64, which of K classes.
        difficult: (M,) bool, not learned from. masks: (M, H, W) bool, their pixels, or None where nobody told.
    """

    boxes: torch.Tensor
    kinds: torch.Tensor
    difficult: torch.Tensor
    masks: torch.Tensor | None = None


class Found(NamedTuple):
    """The D objects that were found in one image, the surest first.

    Attributes:
        boxes: (D, 4) float32. scores: (D,) float32 in [0, 1]. kinds: (D,) int64.
        masks: (D, S, S) float32, chance of each cell of the box to be the object, or None.
    """

    boxes: torch.Tensor
    scores: torch.Tensor
    kinds: torch.Tensor
    masks: torch.Tensor | None = None
