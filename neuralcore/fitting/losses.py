"""Losses of classification that torch.nn.functional does not have, or not for mixed examples.

Axes: B examples, K classes; further axes (pixels) may follow K.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from neuralcore.shape import match_shape


def cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    smoothing: float = 0.0,
    focus: float = 0.0,
) -> torch.Tensor:
    """(B,) -Σ_k t_k (1 - p_k)^γ log p_k, times the weight of the label's class.

    t is 1 - ε at the label and ε / K everywhere (Szegedy et al. 2016, label smoothing). γ > 0 makes it the focal loss
    (Lin et al. 2017, eq. 4), which well-told examples leave alone.

    Args:
        logits: (B, K). labels: (B,) int64. weight: (K,) of each class. smoothing: ε. focus: γ.
    """
    match_shape(labels, logits.shape[0], name="labels")
    logits = logits.float()
    if not focus:
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    else:
        logs = F.log_softmax(logits, 1)
        targets = torch.full_like(logs, smoothing / logits.shape[1])
        targets.scatter_(1, labels[:, None], 1.0 - smoothing + smoothing / logits.shape[1])
        losses = -(targets * (1.0 - logs.exp()) ** focus * logs).sum(1)
    return losses if weight is None else losses * weight[labels]


def hinge(logits: torch.Tensor, labels: torch.Tensor, *, margin: float = 1.0) -> torch.Tensor:
    """(B,) Σ_{k≠y} max(0, s_k - s_y + margin): the multi-class support vector machine of Weston & Watkins (1999)."""
    match_shape(labels, logits.shape[0], name="labels")
    own = logits.gather(1, labels[:, None])
    over = (logits - own + margin).clamp_min(0.0)
    return over.sum(1) - margin  # the label's own term


def balanced_weights(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """(K,) weights in inverse proportion to how often each class is a label (B,), of mean 1 over the examples."""
    counts = torch.bincount(labels, minlength=classes).double()
    return (len(labels) / (classes * counts.clamp_min(1.0))).float()
