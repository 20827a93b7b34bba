"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B)."""

from __future__ import annotations

import torch
from torch import nn


class LeNet(nn.Module):
    """Two convolutions of 5x5, each followed by a mean over 2x2, and layers of 120, 84 and K units.

    For 32x32 pixels of one channel and ten classes 61,706 parameters and 416,520 multiply-adds. The paper has 60,000
    parameters.

    Deviations: every map of the second convolution sees all of the first (the paper: a table of some); the means
    have no gain and bias of their own; tanh is not scaled by 1.7159 and 2/3; the last layer is linear and learned
    (the paper: distances to drawn digits).

    Args:
        classes: K. channels, size: of the images, at least 12 pixels a side; below 32 they get a margin of 2, as the
            paper gave MNIST's.
    """

    def __init__(self, classes: int, *, channels: int = 1, size: int = 32):
        super().__init__()
        margin = 2 if size < 32 else 0
        side = ((size + 2 * margin - 4) // 2 - 4) // 2
        if side < 1:
            raise ValueError(f"images need at least 12 pixels a side, got {size}")
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=margin),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side**2, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
