"""AlexNet: Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks"."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, ConnectedHead

# Widths of the five convolutions, and in how many groups each is computed.
COLUMNS = {2: ((96, 256, 384, 384, 256), (1, 2, 1, 2, 2)), 1: ((64, 192, 384, 256, 256), (1, 1, 1, 1, 1))}


class AlexNet(nn.Module):
    """Five convolutions, three overlapping max poolings, two fully connected layers of 4,096 units with dropout.

    For 224x224 pixels and 1,000 classes:

        columns  parameters  multiply-adds
        2        60,965,224  724 M          the paper's, which says 60 million; convolutions 2, 4 and 5 in two groups
        1        61,100,840  714 M          "One weird trick" (Krizhevsky 2014), no response norm

    Up to 64 pixels the first convolution is 5x5 of stride 1, and the fully connected layers have 1,024 units.

    Deviations: first weights as He et al. (2015), where the paper's 0.01 needs its particular rates.

    Args:
        classes: K. channels, size: of the images.
        columns: see above. width: factor of the convolutions' channels.
        hidden: units of the fully connected layers; None: as above. dropout: of these.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        columns: int = 2,
        width: float = 1.0,
        hidden: int | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        if columns not in COLUMNS:
            raise ValueError(f"columns must be 1 or 2, got {columns}")
        widths, groups = COLUMNS[columns]
        one, two, three, four, five = (max(1, round(width * w / 2)) * 2 for w in widths)
        small = size <= SMALL
        first = nn.Conv2d(channels, one, 5, padding=2) if small else nn.Conv2d(channels, one, 11, 4, padding=2)
        margin = 1 if small else 0
        layers: list[nn.Module] = [
            *(first, nn.ReLU(inplace=True), *_norm(columns), nn.MaxPool2d(3, 2, margin)),
            *(nn.Conv2d(one, two, 5, padding=2, groups=groups[1]), nn.ReLU(inplace=True), *_norm(columns)),
            nn.MaxPool2d(3, 2, margin),
            *(nn.Conv2d(two, three, 3, padding=1, groups=groups[2]), nn.ReLU(inplace=True)),
            *(nn.Conv2d(three, four, 3, padding=1, groups=groups[3]), nn.ReLU(inplace=True)),
            *(nn.Conv2d(four, five, 3, padding=1, groups=groups[4]), nn.ReLU(inplace=True)),
            nn.MaxPool2d(3, 2, margin),
        ]
        self.trunk = nn.Sequential(*layers)
        he_normal(self.trunk)
        side = size if small else (size - 7) // 4 + 1
        for _ in range(3):
            side = (side + 2 * margin - 3) // 2 + 1
        self.head = ConnectedHead(five * side**2, hidden or (1024 if small else 4096), classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))


def _norm(columns: int) -> list[nn.Module]:
    """The response norm of section 3.3: α = 10⁻⁴ of a sum over n = 5 maps, where torch's is of their mean."""
    return [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)] if columns == 2 else []
