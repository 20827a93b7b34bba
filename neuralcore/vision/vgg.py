"""VGG: Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", table 1."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, ConnectedHead

COUNTS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # A, B, D, E
WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """3x3 convolutions only, a max pooling after each of five stages, two layers of 4,096 units with dropout.

    For 224x224 pixels and 1,000 classes:

        depth  parameters   with batch norm  multiply-adds
        11     132,863,336  132,868,840       7.61 G
        13     133,047,848  133,053,736      11.31 G
        16     138,357,544  138,365,992      15.47 G
        19     143,667,240  143,678,248      19.63 G

    Up to 64 pixels the fully connected layers have 512 units (Liu & Deng 2015), and sides are rounded up in poolings.

    Deviations: first weights as He et al. (2015), where the paper began deep networks with weights of shallow ones.

    Args:
        classes: K. channels, size: of the images.
        depth: 11, 13, 16 or 19. norm: a batch norm after each convolution. width: factor of their channels.
        hidden: units of the fully connected layers; None: as above. dropout: of these.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        depth: int = 16,
        norm: bool = False,
        width: float = 1.0,
        hidden: int | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        if depth not in COUNTS:
            raise ValueError(f"depth must be one of {list(COUNTS)}, got {depth}")
        layers: list[nn.Module] = []
        side = size
        for count, full in zip(COUNTS[depth], WIDTHS):
            after = max(1, round(width * full))
            for _ in range(count):
                layers.append(nn.Conv2d(channels, after, 3, padding=1))
                layers += [nn.BatchNorm2d(after)] if norm else []
                layers.append(nn.ReLU(inplace=True))
                channels = after
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            side = (side + 1) // 2
        self.trunk = nn.Sequential(*layers)
        he_normal(self.trunk)
        self.head = ConnectedHead(channels * side**2, hidden or (512 if size <= SMALL else 4096), classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
