"""Cross-entropy over a vocabulary, without ever holding the scores of all positions.

Axes: N positions, W width, V tokens. N V scores would be the largest array of a model by far; here they are made for
some positions at a time, turned into their gradient at once and forgotten, so that they stay in the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from neuralcore.shape import match_shape

AT_ONCE = 256  # positions


class VocabularyLoss(NamedTuple):
    """Of N positions.

    Attributes:
        loss: scalar, the mean with smoothing, which is what is learned from.
        nats: scalar without gradient, the mean of -log p of the targets. right: share of targets that are likeliest.
    """

    loss: torch.Tensor
    nats: torch.Tensor
    right: torch.Tensor


def vocabulary_loss(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0
) -> VocabularyLoss:
    """-Σ_v t_v log softmax(W h)_v, mean of N; t is 1 - ε at the target and ε / V everywhere (Szegedy et al. 2016).

    Args:
        hidden: (N, W). weight: (V, W). targets: (N,) int64. smoothing: ε.
    """
    n, width = match_shape(hidden, -1, -1, name="hidden")
    match_shape(weight, -1, width, name="weight")
    match_shape(targets, n, name="targets")
    device = hidden.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    return VocabularyLoss(*_Loss.apply(hidden, weight, targets, smoothing, kind))


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        smoothing: float,
        kind: torch.dtype,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        n, v, wide = len(hidden), len(weight), torch.promote_types(kind, torch.float32)
        is_learning = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        by_hidden = torch.empty_like(hidden) if is_learning else None
        by_weight = torch.zeros_like(weight) if is_learning else None
        cast = weight.to(kind)
        sums = torch.zeros(3, dtype=torch.float64, device=hidden.device)
        for start in range(0, n, AT_ONCE):
            h, y = hidden[start : start + AT_ONCE].to(kind), targets[start : start + AT_ONCE, None]
            scores = h @ cast.T
            top, best = scores.max(1, keepdim=True)
            odds = torch.softmax(scores, 1, dtype=wide)
            whole = top - odds.gather(1, best).log()  # log Σ exp: the likeliest has odds of 1 / V at least
            nats, even = whole - scores.gather(1, y), whole - scores.mean(1, keepdim=True, dtype=wide)
            sums += torch.stack([nats.sum(), even.sum(), (best == y).sum()]).double()
            if by_hidden is not None and by_weight is not None:
                odds -= smoothing / v
                odds.scatter_add_(1, y, torch.full_like(nats, smoothing - 1.0))
                slopes = odds.to(kind)
                by_hidden[start : start + AT_ONCE] = slopes @ cast
                by_weight += slopes.T @ h
        ctx.save_for_backward(by_hidden, by_weight)
        ctx.count = n
        nats, even, right = (sums / n).to(wide)
        ctx.mark_non_differentiable(nats, right)
        return (1.0 - smoothing) * nats + smoothing * even, nats, right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        by_hidden, by_weight = ctx.saved_tensors
        factor = slope / ctx.count
        return by_hidden * factor, by_weight * factor, None, None, None
