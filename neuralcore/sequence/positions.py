"""Where a step is: attention alone does not know. Axes: B examples, T steps, W width."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.errors import UserError

BASE = 10_000.0  # the slowest wave takes 2π times as many steps


def frequencies(width: int, device: torch.device | None = None) -> torch.Tensor:
    """(W/2,) BASE^(-2i/W), radians a step: from 1 to almost 1 / BASE."""
    if width % 2:
        raise ValueError(f"waves come in pairs of sine and cosine: the width must be even, got {width}")
    return BASE ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)


def sinusoidal(length: int, width: int, device: torch.device | None = None) -> torch.Tensor:
    """(T, W): sin(t ω_i) at 2i, cos(t ω_i) at 2i + 1 (Vaswani et al. 2017, section 3.5)."""
    angles = torch.arange(length, device=device)[:, None] * frequencies(width, device)
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)


class LearnedPositions(nn.Module):
    """A learned vector for each of the first `length` steps (Gehring et al. 2017).

    Args:
        length: T at most. width: W.
    """

    def __init__(self, length: int, width: int):
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(length, width) * 0.02)

    def forward(self, x: torch.Tensor, start: int = 0) -> torch.Tensor:
        """(B, T, W) with the vectors of steps from `start` on added.

        Raises:
            UserError: there are more steps than vectors.
        """
        end = start + x.shape[1]
        if end > len(self.vectors):
            raise UserError(f"{end} tokens are more than the {len(self.vectors)} positions that were learned")
        return x + self.vectors[start:end].to(x.dtype)


def turns(start: int, length: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines (T, W/2) of the angles by which steps from `start` on are turned."""
    angles = torch.arange(start, start + length, device=device)[:, None] * frequencies(width, device)
    return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, start: int = 0, by: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
    """Rotary positions (Su et al. 2021): the pair (x_i, x_{i + D/2}) of step t turned by t ω_i.

    The product of two turned vectors depends on how far apart they are, not on where.

    Args:
        x: (..., T, D). start: t of the first. by: `turns(start, T, D)`, where one has them already.
    """
    cos, sin = by if by is not None else turns(start, x.shape[-2], x.shape[-1], x.device)
    first, second = x.float().chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1).to(x.dtype)
