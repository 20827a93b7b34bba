"""ZFNet: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks" (arXiv:1311.2901), figure 3."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, ConnectedHead

WIDTHS = (96, 256, 384, 384, 256)


class ZFNet(nn.Module):
    """AlexNet seen through: first kernels of 7x7 and stride 2, so that none are dead or aliased; one column.

    For 224x224 pixels and 1,000 classes 62,357,608 parameters and 1.17 G multiply-adds.

    Up to 64 pixels the first two convolutions have stride 1, and the fully connected layers 1,024 units.

    Deviations: first weights as He et al. (2015); the "contrast norm" of the figure is AlexNet's response norm, as in
    the authors' code; kernels of the first layer are not clipped to a length.

    Args:
        classes: K. channels, size: of the images.
        width: factor of the convolutions' channels.
        hidden: units of the fully connected layers; None: as above. dropout: of these.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        width: float = 1.0,
        hidden: int | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        one, two, three, four, five = (max(1, round(width * w)) for w in WIDTHS)
        small = size <= SMALL
        stride, margin = (1, 2) if small else (2, 0)
        self.trunk = nn.Sequential(
            *(nn.Conv2d(channels, one, 7, stride, padding=3 if small else 1), nn.ReLU(inplace=True)),
            *(nn.MaxPool2d(3, 2, padding=1), nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)),
            *(nn.Conv2d(one, two, 5, stride, padding=margin), nn.ReLU(inplace=True)),
            *(nn.MaxPool2d(3, 2, padding=1), nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)),
            *(nn.Conv2d(two, three, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(three, four, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(four, five, 3, padding=1), nn.ReLU(inplace=True)),
            nn.MaxPool2d(3, 2, padding=1 if small else 0),
        )
        he_normal(self.trunk)
        self.head = ConnectedHead(five * _side(size) ** 2, hidden or (1024 if small else 4096), classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))


def _side(size: int) -> int:
    """Pixels a side of the last feature maps: 6 of 224."""
    if size <= SMALL:
        for _ in range(3):
            size = (size + 1) // 2
        return size
    size = ((size - 5) // 2 + 2) // 2  # 110, 55
    size = ((size - 5) // 2 + 2) // 2  # 26, 13
    return (size - 3) // 2 + 1
