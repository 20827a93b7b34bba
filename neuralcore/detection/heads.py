"""What a proposal's grid of features tells: class and box, and the pixels of the object.

Lin et al. 2017, section 4.2, and He et al. 2017, figure 4 (right). Axes: R proposals, K classes, S cells of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.initial import he_normal
from neuralcore.layers.roi_align import roi_aligned


def pooled(
    levels: Sequence[torch.Tensor],
    strides: Sequence[int],
    boxes: torch.Tensor,
    images: torch.Tensor,
    size: int,
    typical: float,
) -> torch.Tensor:
    """(R, C, size, size): each box's grid, from the level of its size (Lin et al. 2017, eq. 1).

    Args:
        levels: (B, C, h, w), the finest first; as many as `strides` are taken. boxes: (R, 4). images: (R,) int64.
        typical: side of a box of the finest level; the next is for boxes of twice that, and so on.
    """
    side = (boxes[:, 2:] - boxes[:, :2]).clamp_min(1e-3).prod(1).sqrt()
    of = (side / typical).log2().round().clamp(0, len(strides) - 1).long()
    found = levels[0].new_zeros(len(boxes), levels[0].shape[1], size, size, dtype=torch.float32)
    for number, stride in enumerate(strides):
        rows = (of == number).nonzero()[:, 0]
        cells = roi_aligned(levels[number], boxes[rows], images[rows], 1.0 / stride, size)
        found = found.index_copy(0, rows, cells)
    return found


class BoxHead(nn.Module):
    """Two fully connected layers; from them logits of K classes and the ground, and a box for each class.

    Args:
        features: C of the grids. size: S. hidden: units. classes: K.
    """

    def __init__(self, features: int, size: int, hidden: int, classes: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(features * size**2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.logits, self.sides = nn.Linear(hidden, classes + 1), nn.Linear(hidden, 4 * classes)
        for layer, deviation in ((self.logits, 0.01), (self.sides, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(R, C, S, S) -> logits (R, K + 1), the ground last, and differences (R, K, 4), both float32."""
        x = self.layers(cells)
        return self.logits(x).float(), self.sides(x).float().view(len(x), -1, 4)


class MaskHead(nn.Module):
    """Four 3x3 convolutions on a grid of 14 x 14 cells, doubled; a mask for each class.

    Args:
        features: C of the grids. classes: K.

    Attributes:
        grid: cells that it takes along an axis. size: cells that it gives.
    """

    grid, size = 14, 28

    def __init__(self, features: int, classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(4):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.doubled = nn.ConvTranspose2d(features, features, 2, stride=2)
        self.last = nn.Conv2d(features, classes, 1)
        he_normal(self)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """(R, C, 14, 14) -> logits (R, K, 28, 28) float32."""
        return self.last(F.relu(self.doubled(self.layers(cells)))).float()
