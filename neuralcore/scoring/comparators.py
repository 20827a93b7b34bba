"""Comparators: how alike two vectors are; more is nearer. All questions against all candidates are one matrix
product.

    dot          q · c                    cos      q · c / (|q| |c|)
    squared_l2   -|q - c|²                l2       -|q - c|

Distances are expanded, |q - c|² = |q|² - 2 q·c + |c|², so nothing of size B x K x D is ever made.

Axes: B questions, K candidates, D numbers. `forward(q (B, D), c (K, D)) -> s (B, K)`, and
`backward(q, c, s, ds (B, K)) -> (dq (B, D), dc (K, D))`, which may overwrite ds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

Matrix = torch.Tensor
TINY = 1e-9  # under the root of a distance: its gradient at zero is finite


class Comparator(NamedTuple):
    """One of those above."""

    forward: Callable[[Matrix, Matrix], Matrix]
    backward: Callable[[Matrix, Matrix, Matrix, Matrix], tuple[Matrix, Matrix]]


def _dot(q: Matrix, c: Matrix) -> Matrix:
    return q @ c.T


def _dot_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix) -> tuple[Matrix, Matrix]:
    return ds @ c, ds.T @ q


def _cos(q: Matrix, c: Matrix) -> Matrix:
    """A zero vector is like nothing, score 0."""
    return normalize(q, dim=1) @ normalize(c, dim=1).T


def _cos_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix) -> tuple[Matrix, Matrix]:
    unit_q, unit_c = normalize(q, dim=1), normalize(c, dim=1)
    along = ds * s
    dq = (ds @ unit_c - along.sum(1, keepdim=True) * unit_q) / q.norm(dim=1, keepdim=True).clamp_min(1e-12)
    dc = (ds.T @ unit_q - along.sum(0)[:, None] * unit_c) / c.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return dq, dc


def _squared_l2(q: Matrix, c: Matrix) -> Matrix:
    """At most 0: rounding may not make a distance negative."""
    squares = q.square().sum(1, keepdim=True) + c.square().sum(1)
    return torch.addmm(squares, q, c.T, beta=-1.0, alpha=2.0).clamp_max(0.0)


def _squared_l2_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix) -> tuple[Matrix, Matrix]:
    # Where the clamp is at work q and c are the same but for rounding, and so is what it would hide.
    dq = torch.addmm(ds.sum(1, keepdim=True) * q, ds, c, beta=-2.0, alpha=2.0)
    dc = torch.addmm(ds.sum(0)[:, None] * c, ds.T, q, beta=-2.0, alpha=2.0)
    return dq, dc


def _l2(q: Matrix, c: Matrix) -> Matrix:
    return -(TINY - _squared_l2(q, c)).sqrt()


def _l2_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix) -> tuple[Matrix, Matrix]:
    return _squared_l2_backward(q, c, s, ds.div_(s).mul_(-0.5))  # s = -sqrt(TINY - z): ds/dz = -1 / (2 s)


COMPARATORS: dict[str, Comparator] = {
    "dot": Comparator(_dot, _dot_backward),
    "cos": Comparator(_cos, _cos_backward),
    "squared_l2": Comparator(_squared_l2, _squared_l2_backward),
    "l2": Comparator(_l2, _l2_backward),
}
