"""Losses of labelled pixels. Axes: B images, K classes, H x W pixels; label 255 is a pixel that nobody judged."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from neuralcore.data.masked import UNLABELLED
from neuralcore.shape import match_shape


def pixel_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean of -w_y log p_y over the judged pixels, w as they are, not normalised by their sum.

    Args:
        logits: (B, K, H, W). labels: (B, H, W) int64. weight: (K,) of each class.
    """
    count, _, height, width = match_shape(logits, -1, -1, -1, -1, name="logits")
    match_shape(labels, count, height, width, name="labels")
    losses = F.cross_entropy(logits.float(), labels, reduction="sum", weight=weight, ignore_index=UNLABELLED)
    return losses / (labels != UNLABELLED).sum().clamp_min(1)


def soft_dice(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(K,) 2 Σ p t / (Σ p + Σ t) of the whole batch, p the probabilities and t one where the label is k, else zero.

    Milletari et al. 2016 (V-Net) have squares in the denominator; this is Drozdzal et al.'s (2016). A class that the
    batch neither has nor expects is 1.

    Args:
        logits: (B, K, H, W). labels: (B, H, W) int64.
    """
    judged = (labels != UNLABELLED)[:, None]
    odds = logits.float().softmax(1) * judged
    truth = F.one_hot(labels.where(judged[:, 0], 0), logits.shape[1]).permute(0, 3, 1, 2) * judged
    common, both = (odds * truth).sum((0, 2, 3)), odds.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return (2.0 * common + 1e-6) / (both + 1e-6)
