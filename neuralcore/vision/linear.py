"""The linear model of pixels: softmax regression, or a support vector machine, as the task's loss says."""

from __future__ import annotations

import torch
from torch import nn


class Linear(nn.Module):
    """logits = W x + b of all pixels x, (C H W + 1) K parameters.

    With the task's `loss = "cross_entropy"` it is softmax regression (multinomial logistic, Cox 1958), with "hinge"
    the multi-class support vector machine of Weston & Watkins (1999). It begins at 0, as either loss is convex.

    Args:
        classes: K. channels, size: of the images.
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 224):
        super().__init__()
        self.trunk = nn.Flatten()
        self.head = nn.Linear(channels * size**2, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
