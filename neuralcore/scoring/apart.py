"""Losses by which some negatives say what is wrong, and others are moved.

Of a table in parts only some rows are in memory, and these are no fair sample of a question's candidates. Then M
*still* candidates judge it, copies of rows from all parts, which stay as they are; the K in memory *move*, each as if
it had been one more negative, times how often it ought to have been one. So the question's own gradient is that of a
fair sample, and so are those of the rows in memory, summed over all times at which they are there.

A question has one answer, among those that move. With a its score, w its weight, c the still and d the moving scores:

    softmax    loss = w (Z - a), Z = log( e^a + sum_c e^c )        d moves by w sigmoid(d - Z)
    logistic   loss = w ( log(1 + e^-a) + mean_c log(1 + e^c) )    d moves by w sigmoid(d) / M
    ranking    loss = w mean_c max(0, margin - a + c)              d moves by w [margin - a + d > 0] / M

Axes: B questions. `forward(still (B, M), own (B,), moving (B, K), column (B,), weight (B,), times (K,), margin)`
gives the loss and the potential (B,), whose gradient by the moving scores is how they move; `column` is where the
answer stands among them, and is left out. `backward(…)` gives the loss and the gradients by still, own and moving
scores, written over still and moving. A still score of -inf is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import softplus

Scores = torch.Tensor
Forward = Callable[..., tuple[Scores, Scores]]
Backward = Callable[..., tuple[Scores, Scores, Scores, Scores]]


class LossApart(NamedTuple):
    """One of those above."""

    forward: Forward
    backward: Backward


def _summed(moves: Scores, column: torch.Tensor, times: torch.Tensor) -> Scores:
    """(B,) the sum of all columns but the answers', each so many times."""
    return (moves.scatter(1, column[:, None], 0.0) * times).sum(1)


def _softmax(
    still: Scores,
    own: Scores,
    moving: Scores,
    column: torch.Tensor,
    weight: torch.Tensor,
    times: torch.Tensor,
    margin: float = 0.0,
) -> tuple[Scores, Scores]:
    total = torch.logaddexp(own, still.logsumexp(1))
    return weight * (total - own), weight * _summed(softplus(moving - total.detach()[:, None]), column, times)


def _softmax_backward(
    still: Scores,
    own: Scores,
    moving: Scores,
    column: torch.Tensor,
    weight: torch.Tensor,
    times: torch.Tensor,
    margin: float = 0.0,
) -> tuple[Scores, Scores, Scores, Scores]:
    largest = still.amax(1).clamp_min(torch.finfo(still.dtype).min)  # one exponential for the sum and its gradient
    of_still = still.sub_(largest[:, None]).exp_()
    negatives = largest + of_still.sum(1).log()
    total = torch.logaddexp(own, negatives)
    of_still.mul_((weight * (largest - total).exp())[:, None])
    of_moving = moving.sub_(total[:, None]).sigmoid_().mul_(weight[:, None]).mul_(times)
    of_moving.scatter_(1, column[:, None], 0.0)
    return weight * (total - own), of_still, -weight * torch.sigmoid(negatives - own), of_moving


def _logistic(
    still: Scores,
    own: Scores,
    moving: Scores,
    column: torch.Tensor,
    weight: torch.Tensor,
    times: torch.Tensor,
    margin: float = 0.0,
) -> tuple[Scores, Scores]:
    loss = weight * (softplus(-own) + softplus(still).mean(1))
    return loss, weight / still.shape[1] * _summed(softplus(moving), column, times)


def _logistic_backward(
    still: Scores,
    own: Scores,
    moving: Scores,
    column: torch.Tensor,
    weight: torch.Tensor,
    times: torch.Tensor,
    margin: float = 0.0,
) -> tuple[Scores, Scores, Scores, Scores]:
    loss, share = weight * (softplus(-own) + softplus(still).mean(1)), (weight / still.shape[1])[:, None]
    of_still = still.sigmoid_().mul_(share)
    of_moving = moving.sigmoid_().mul_(share).mul_(times).scatter_(1, column[:, None], 0.0)
    return loss, of_still, -weight * torch.sigmoid(-own), of_moving


def _ranking(
    still: Scores,
    own: Scores,
    moving: Scores,
    column: torch.Tensor,
    weight: torch.Tensor,
    times: torch.Tensor,
    margin: float = 1.0,
) -> tuple[Scores, Scores]:
    loss = weight * (margin - own[:, None] + still).clamp_min(0.0).mean(1)
    violation = (margin - own.detach()[:, None] + moving).clamp_min(0.0)
    return loss, weight / still.shape[1] * _summed(violation, column, times)


def _ranking_backward(
    still: Scores,
    own: Scores,
    moving: Scores,
    column: torch.Tensor,
    weight: torch.Tensor,
    times: torch.Tensor,
    margin: float = 1.0,
) -> tuple[Scores, Scores, Scores, Scores]:
    violation, share = still.add_((margin - own)[:, None]).clamp_min_(0.0), (weight / still.shape[1])[:, None]
    loss = weight * violation.mean(1)
    of_still = violation.sign_().mul_(share)
    of_moving = moving.add_((margin - own)[:, None]).clamp_min_(0.0).sign_().mul_(share).mul_(times)
    of_moving.scatter_(1, column[:, None], 0.0)
    return loss, of_still, -of_still.sum(1), of_moving


LOSSES_APART: dict[str, LossApart] = {
    "softmax": LossApart(_softmax, _softmax_backward),
    "logistic": LossApart(_logistic, _logistic_backward),
    "ranking": LossApart(_ranking, _ranking_backward),
}
