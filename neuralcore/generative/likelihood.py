"""Negative log-likelihoods and divergences of an image, in nats; axes B images, the rest is summed."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F


def bernoulli(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B,) -Σ t log p + (1 - t) log(1 - p), p = σ(logits), both (B, …).

    For targets between 0 and 1 it is the cross entropy, which is no likelihood of grey levels: compare it with itself
    only (Loaiza-Ganem & Cunningham 2019).
    """
    return F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none").flatten(1).sum(1)


def gaussian(mean: torch.Tensor, log_scale: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B,) -Σ log N(t; mean, exp(log_scale)²) of targets (B, …)."""
    apart = (targets - mean.float()) * torch.exp(-log_scale)
    return (0.5 * apart * apart + log_scale + 0.5 * math.log(2.0 * math.pi)).flatten(1).sum(1)


def kl_to_standard(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """(B,) KL(N(mean, e^log_variance) || N(0, 1)) = ½ Σ (mean² + e^lv - lv - 1) (Kingma & Welling 2014, appendix
    B)."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean * mean + log_variance.exp() - log_variance - 1.0).flatten(1).sum(1)


def bits_per_dimension(nats: float, dimensions: int, levels: int = 256) -> float:
    """Bits for each number of an image of whole numbers, from nats of its density on [0, 1).

    Whole numbers with uniform noise, divided by their levels, have that density; its likelihood bounds theirs (Theis
    et al. 2016, section 3.1).
    """
    return (nats / dimensions + math.log(levels)) / math.log(2.0)
