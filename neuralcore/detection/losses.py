"""Losses of detectors. Axes: N anchors or boxes, K classes."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from neuralcore.shape import match_shape


def sigmoid_focal(
    logits: torch.Tensor, targets: torch.Tensor, balance: float = 0.25, focus: float = 2.0
) -> torch.Tensor:
    """(N, K) -α_t (1 - p_t)^γ log p_t (Lin et al. 2017, "Focal loss for dense object detection", eq. 5).

    p_t is the probability p = σ(logit) where the target is 1, else 1 - p; α_t likewise α or 1 - α.

    Args:
        logits: (N, K). targets: (N, K) of 0 and 1. balance: α. focus: γ.
    """
    match_shape(targets, *logits.shape, name="targets")
    logits, targets = logits.float(), targets.float()
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    own = torch.sigmoid(logits) * targets + (1.0 - torch.sigmoid(logits)) * (1.0 - targets)
    return (balance * targets + (1.0 - balance) * (1.0 - targets)) * (1.0 - own) ** focus * entropy


def generalised_iou(boxes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(N,) IoU less the share of the smallest box around both that neither fills (Rezatofighi et al. 2019, GIoU).

    1 - GIoU is a loss of boxes that moves them also where they do not meet.

    Args:
        boxes, others: (N, 4) left, top, right, bottom; with a gradient.
    """
    match_shape(others, boxes.shape[0], 4, name="others")
    common = _area(torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:]))
    union = _area(boxes[:, :2], boxes[:, 2:]) + _area(others[:, :2], others[:, 2:]) - common
    around = _area(torch.minimum(boxes[:, :2], others[:, :2]), torch.maximum(boxes[:, 2:], others[:, 2:]))
    return common / union.clamp_min(1e-6) - (around - union) / around.clamp_min(1e-6)


def _area(least: torch.Tensor, most: torch.Tensor) -> torch.Tensor:
    return (most - least).clamp_min(0.0).prod(1)
