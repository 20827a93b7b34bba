"""Losses over one row of scores a query: the true candidate among negatives. Pure functions, summed over the batch.

Axes: B queries, K candidates. `scores` is (B, K), `true` (B,) the column of the true candidate; all other columns are
its negatives. Only the ranking loss has a margin; the others are given it and leave it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy, softplus

from neuralcore.shape import match_shape


def softmax(scores: torch.Tensor, true: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
    """-log softmax of the true candidate among all (Lacroix et al. 2018, eq. 2)."""
    _check(scores, true)
    return cross_entropy(scores, true, reduction="sum")


def logistic(scores: torch.Tensor, true: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
    """log(1 + e^-s) of the true candidate + the mean of log(1 + e^s) over its negatives (Trouillon et al. 2016)."""
    negatives = _check(scores, true)
    positive = scores.gather(1, true[:, None])
    others = softplus(scores).scatter(1, true[:, None], 0.0)  # not subtracted: a score of 1e9 would swallow the rest
    return softplus(-positive).sum() + others.sum() / negatives


def ranking(scores: torch.Tensor, true: torch.Tensor, margin: float = 1.0) -> torch.Tensor:
    """Mean over the negatives of max(0, margin - s_true + s_negative) (Bordes et al. 2013, eq. 1)."""
    negatives = _check(scores, true)
    violation = (margin - scores.gather(1, true[:, None]) + scores).clamp_min(0.0)
    violation = violation.scatter(1, true[:, None], 0.0)
    return violation.sum() / negatives


def _check(scores: torch.Tensor, true: torch.Tensor) -> int:
    """Check the shapes; the number of negatives a row."""
    batch, candidates = match_shape(scores, -1, -1, name="scores")
    match_shape(true, batch, name="true")
    if candidates < 2:
        raise ValueError("a loss needs the true candidate and at least one negative")
    return candidates - 1


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    "softmax": softmax,
    "logistic": logistic,
    "ranking": ranking,
}
