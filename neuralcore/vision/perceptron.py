"""The multi-layer perceptron (Rumelhart, Hinton & Williams 1986), with ReLU and dropout of later years."""

from __future__ import annotations

import itertools

import torch
from torch import nn


class Perceptron(nn.Module):
    """Fully connected layers with a ReLU and dropout after each; first weights as He et al. (2015).

    (C H W + 1) h + (h + 1) h + (h + 1) K parameters with two layers of h.

    Args:
        classes: K. channels, size: of the images.
        hidden: widths of the layers. dropout: chance of a unit to be dropped in training (Srivastava et al. 2014).
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        hidden: tuple[int, ...] = (512, 512),
        dropout: float = 0.0,
    ):
        super().__init__()
        widths = (channels * size**2, *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in itertools.pairwise(widths):
            layer = nn.Linear(before, after)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.ReLU(inplace=True), *([nn.Dropout(dropout)] if dropout else [])]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
