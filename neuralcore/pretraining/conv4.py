"""The four convolutions of few-shot learning (Vinyals et al. 2016, appendix; Snell et al. 2017, section 3)."""

from __future__ import annotations

import torch
from torch import nn


class Conv4(nn.Module):
    """Four blocks of a 3x3 convolution, batch norm, ReLU and a 2x2 maximum, then a linear layer.

    For 1x28x28 and width 64 the trunk has 111,936 parameters and gives 64 features; for 3x84x84, 113,088 and 1,600.

    Args:
        classes: K. channels, size: of the images, 16 pixels or more. width: of the convolutions.
        remembers: whether batch norms keep statistics for evaluation; MAML's are of the batch always.
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 84, width: int = 64, remembers: bool = True):
        super().__init__()
        if size < 16:
            raise ValueError(f"four halvings need images of 16 pixels or more, got {size}")
        layers: list[nn.Module] = []
        before = channels
        for _ in range(4):
            norm = nn.BatchNorm2d(width, track_running_stats=remembers)
            layers += [nn.Conv2d(before, width, 3, padding=1), norm, nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            before = width
        self.trunk = nn.Sequential(*layers)
        self.features = width * (size // 16) ** 2
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(self.features, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
