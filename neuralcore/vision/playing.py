"""The trunks that agents play with, as classifiers: Nature's (Mnih et al. 2015) and IMPALA's (Espeholt et al. 2018).

Their weights have the names that an agent's have, see `neuralcore.vision.carrying`. Images come normalised here, so
the trunks do not scale them; an agent's trunk that takes these weights takes the normalisation, too.
"""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.convolution import NatureTrunk, Pixels
from neuralcore.layers.residual import ImpalaTrunk


class _AsTheyAre(Pixels):
    """Images that come normalised: nothing to do, and nothing to save."""

    def __init__(self) -> None:
        super().__init__(255.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


class Nature(nn.Module):
    """`NatureTrunk` and a linear layer; for 84x84 pixels of 4 channels the trunk has 1,684,128 parameters.

    Args:
        classes: K. channels, size: of the images, at least 36 pixels a side. hidden: width of its last layer.
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 84, hidden: int = 512):
        super().__init__()
        self.trunk = NatureTrunk((channels, size, size), hidden)
        self.trunk.pixels = _AsTheyAre()
        self.head = nn.Linear(hidden, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))


class Impala(nn.Module):
    """`ImpalaTrunk` and a linear layer; for 84x84 pixels of 4 channels the trunk has 1,089,232 parameters.

    Args:
        classes: K. channels, size: of the images. hidden: widths of its fully connected layers.
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 84, hidden: tuple[int, ...] = (256,)):
        super().__init__()
        self.trunk = ImpalaTrunk((channels, size, size), hidden)
        self.trunk.pixels = _AsTheyAre()
        self.head = nn.Linear(self.trunk.features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
