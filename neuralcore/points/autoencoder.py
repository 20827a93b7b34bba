"""An autoencoder of clouds: Achlioptas et al. 2018, "Learning representations and generative models for 3D point
clouds", section 4."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.points.pointnet import Shared


class PointAutoencoder(nn.Module):
    """PointNet without transforms makes a code, three fully connected layers make the points of it, all at once.

    Deviation: by default narrower, with `hidden` units where the paper has 256.

    Args:
        points: P. code: its length. hidden: width of both layers of the decoder.
    """

    def __init__(self, points: int, *, code: int = 64, hidden: int = 256):
        super().__init__()
        self.encoder = Shared([3, 64, 128, 128, code], last=False)
        self.decoder = nn.Sequential(
            nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3 * points)
        )

    def encode(self, points: torch.Tensor) -> torch.Tensor:
        """(B, P, 3) -> (B, code)."""
        return self.encoder(points).amax(1)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """(B, P, 3) -> (B, points, 3)."""
        return self.decoder(self.encode(points)).unflatten(1, (-1, 3))
