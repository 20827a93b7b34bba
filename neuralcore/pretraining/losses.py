"""Losses that bring together what belongs together: pairs, triplets with their mining, and NT-Xent.

Axes: B examples, F features.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from neuralcore.shape import match_shape


def pairwise(first: torch.Tensor, second: torch.Tensor, same: torch.Tensor, margin: float = 1.0) -> torch.Tensor:
    """(B,) ½ d² where a pair is the same, else ½ max(0, m - d)² (Hadsell et al. 2006, eq. 4).

    Args:
        first, second: (B, F). same: (B,) bool. margin: m, how far others are driven apart.
    """
    count, features = match_shape(first, -1, -1, name="first")
    match_shape(second, count, features, name="second")
    match_shape(same, count, name="same")
    apart = _root((first - second).pow(2).sum(1))
    return 0.5 * torch.where(same, apart, (margin - apart).clamp_min(0.0)).pow(2)


def triplet(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float = 0.2
) -> torch.Tensor:
    """(B,) max(0, |a - p|² - |a - n|² + m), each (B, F) (Schroff et al. 2015, FaceNet, eq. 3)."""
    count, features = match_shape(anchor, -1, -1, name="anchor")
    match_shape(positive, count, features, name="positive")
    match_shape(negative, count, features, name="negative")
    near, far = ((anchor - other).pow(2).sum(1) for other in (positive, negative))
    return (near - far + margin).clamp_min(0.0)


def batch_hard(features: torch.Tensor, labels: torch.Tensor, margin: float | None = None) -> torch.Tensor:
    """(B,) for each example, max(0, m + the furthest of its class - the nearest of another), or with no margin
    log(1 + exp(furthest - nearest)) (Hermans et al. 2017, eq. 5 and section 2.1). Distances are not squared.

    Examples without another of their class, or of another class, have loss 0.

    Args:
        features: (B, F). labels: (B,).
    """
    same, apart, self_ = _compared(features, labels)
    apart = _root(apart)
    furthest = apart.masked_fill(~same | self_, -torch.inf).amax(1)
    nearest = apart.masked_fill(same, torch.inf).amin(1)
    known = furthest.isfinite() & nearest.isfinite()
    over = torch.where(known, furthest, 0.0) - torch.where(known, nearest, 0.0)
    losses = F.softplus(over) if margin is None else (over + margin).clamp_min(0.0)
    return torch.where(known, losses, 0.0)


def semi_hard(features: torch.Tensor, labels: torch.Tensor, margin: float = 0.2) -> torch.Tensor:
    """() the mean over all pairs (a, p) of a class of max(0, |a - p|² - |a - n|² + m), where n is the nearest of
    another class that is further than p; if there is none, the furthest (Schroff et al. 2015, section 3.2).

    Args:
        features: (B, F), as a rule of length 1. labels: (B,).

    Returns:
        0 where there are no pairs, or one class only.
    """
    same, apart, self_ = _compared(features, labels)
    is_pair = same & ~self_ & ~same.all(1, keepdim=True)
    to_others = apart.masked_fill(same, torch.inf)
    anchors, positives = is_pair.nonzero(as_tuple=True)
    near = apart[anchors, positives]
    rows = to_others[anchors]  # (pairs, B)
    further = rows.masked_fill(rows <= near[:, None], torch.inf).amin(1)
    furthest = rows.masked_fill(same[anchors], -torch.inf).amax(1)
    far = torch.where(further.isfinite(), further, furthest)
    losses = (near - far + margin).clamp_min(0.0)
    return losses.sum() / max(len(losses), 1)


def nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float = 0.5) -> torch.Tensor:
    """(2 B,) -log softmax of a view's cosine with its partner among those with all other views, by the temperature.

    Chen et al. 2020, SimCLR, eq. 1.

    Args:
        first, second: (B, F), two views of each example, B of 2 or more.
    """
    count, features = match_shape(first, -1, -1, name="first")
    match_shape(second, count, features, name="second")
    both = F.normalize(torch.cat([first, second]).float(), dim=1)
    logits = both @ both.T / temperature
    logits = logits.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=logits.device), -torch.inf)
    partner = torch.arange(2 * count, device=logits.device).roll(count)
    return F.cross_entropy(logits, partner, reduction="none")


def _compared(features: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(B, B): whether two are of a class, their squared distance, whether they are one."""
    count, _ = match_shape(features, -1, -1, name="features")
    match_shape(labels, count, name="labels")
    features = features.float()
    apart = (features[:, None] - features[None]).pow(2).sum(2)
    return labels[:, None] == labels, apart, torch.eye(count, dtype=torch.bool, device=features.device)


def _root(squares: torch.Tensor) -> torch.Tensor:
    """Roots whose gradient at 0 is 0, and not infinite."""
    is_zero = squares == 0.0
    return torch.where(is_zero, 0.0, torch.where(is_zero, 1.0, squares).sqrt())
