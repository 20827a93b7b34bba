"""Comparators: how alike two vectors are; more is nearer. Every query against every candidate is one matrix product.

    dot          q · c                    cosine     q · c / (|q| |c|)
    squared_l2   -|q - c|²                l2         -|q - c|

Distances are expanded, |q - c|² = |q|² - 2 q·c + |c|², so nothing of size B x K x D is ever made.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from neuralcore.shape import match_shape


def dot(q: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """(B, D) queries and (K, D) candidates -> (B, K) scores."""
    (dimension,) = match_shape(q, q.shape[0], -1, name="q")
    match_shape(c, -1, dimension, name="c")
    return q @ c.T


def cosine(q: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """(B, D) and (K, D) -> (B, K); a zero vector is like nothing, score 0."""
    return dot(torch.nn.functional.normalize(q, dim=1), torch.nn.functional.normalize(c, dim=1))


def squared_l2(q: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """(B, D) and (K, D) -> (B, K), at most 0 (rounding may not make a distance negative)."""
    return (2.0 * dot(q, c) - q.square().sum(1, keepdim=True) - c.square().sum(1)).clamp_max(0.0)


def l2(q: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """(B, D) and (K, D) -> (B, K); the gradient at distance zero is finite."""
    return -(1e-9 - squared_l2(q, c)).sqrt()


COMPARATORS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "dot": dot,
    "cosine": cosine,
    "squared_l2": squared_l2,
    "l2": l2,
}
