"""PointNet: Qi et al. 2017, "PointNet: deep learning on point sets for 3D classification and segmentation".

Axes: B clouds of P points, C features, K classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn


class Shared(nn.Sequential):
    """The same layers for every point: linear, batch norm, ReLU for each width. (B, P, C) -> (B, P, widths[-1])."""

    def __init__(self, widths: Sequence[int], last: bool = True):
        layers: list[nn.Module] = []
        pairs = list(itertools.pairwise(widths))
        for number, (before, after) in enumerate(pairs):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after)]
            if last or number < len(pairs) - 1:
                layers.append(nn.ReLU())
        super().__init__(*layers)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """(B, P, C) -> (B, P, C'); (B, C) -> (B, C')."""
        return super().forward(points.reshape(-1, points.shape[-1])).reshape(*points.shape[:-1], -1)


class TransformNet(nn.Module):
    """A cloud's own C x C matrix, for coordinates or features; the identity at first (section 4.2, appendix C)."""

    def __init__(self, features: int, widths: Sequence[int], hidden: Sequence[int]):
        super().__init__()
        self.features = features
        self.each, self.all = Shared([features, *widths]), Shared([widths[-1], *hidden])
        self.last = nn.Linear(hidden[-1], features**2)
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            self.last.bias.copy_(torch.eye(features).flatten())

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """(B, P, C) -> (B, C, C)."""
        return self.last(self.all(self.each(points).amax(1))).unflatten(1, (self.features, self.features))


class PointNet(nn.Module):
    """Layers shared by all points, a maximum over the points, fully connected layers: the order of points is nothing
    to it.

    For 40 classes 3,480,049 parameters, the paper's 3.5 M (table 6); without transforms 819,624, its 0.8 M.

    Deviation: batch norms keep their momentum, which the paper moves from 0.5 to 0.99.

    Args:
        classes: K.
        transforms: align the coordinates, and the features behind the second layer.
        width: factor of all widths but the transforms' C. dropout: before the last layer.
    """

    def __init__(self, classes: int, *, transforms: bool = True, width: float = 1.0, dropout: float = 0.3):
        super().__init__()
        narrow, middle, wide, half, quarter = (max(1, round(width * w)) for w in (64, 128, 1024, 512, 256))
        self.coordinates: TransformNet | None = None
        self.features: TransformNet | None = None
        if transforms:
            self.coordinates = TransformNet(3, (narrow, middle, wide), (half, quarter))
            self.features = TransformNet(narrow, (narrow, middle, wide), (half, quarter))
        self.first, self.second = Shared([3, narrow, narrow]), Shared([narrow, narrow, middle, wide])
        self.head = nn.Sequential(Shared([wide, half, quarter]), nn.Dropout(dropout), nn.Linear(quarter, classes))

    def with_transform(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(B, P, 3) -> logits (B, K), and the matrices of the features (B, C, C), if it has transforms."""
        if self.coordinates is not None:
            points = points @ self.coordinates(points)
        found, matrix = self.first(points), None
        if self.features is not None:
            matrix = self.features(found)
            found = found @ matrix
        return self.head(self.second(found).amax(1)), matrix

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """(B, P, 3) -> (B, K)."""
        return self.with_transform(points)[0]


def skewness(matrix: torch.Tensor) -> torch.Tensor:
    """(B,): how far matrices (B, C, C) are from orthogonal ones, ‖I - A Aᵀ‖² (equation 2)."""
    identity = torch.eye(matrix.shape[1], device=matrix.device, dtype=matrix.dtype)
    return (identity - matrix @ matrix.transpose(1, 2)).square().sum((1, 2))
