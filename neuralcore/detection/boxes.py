"""Boxes as tensors: how they are written as differences from anchors, clipped, compared and thinned out.

A box is left, top, right, bottom in pixels. Axes: N, M boxes.
"""

from __future__ import annotations

import math

import torch

from neuralcore.kernels.box_iou import box_iou
from neuralcore.kernels.nms import nms
from neuralcore.shape import match_shape

MOST_GROWTH = math.log(1000.0 / 16.0)  # of a side: more is a network that has gone astray (Detectron's limit)


def differences(boxes: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """(N, 4) how boxes (N, 4) differ from anchors (N, 4) (Girshick et al. 2014, R-CNN, appendix C).

    Of the centres in the anchor's width and height, and of the sides as logarithms of their ratios.
    """
    match_shape(boxes, anchors.shape[0], 4, name="boxes")
    corner, side = anchors[:, :2], anchors[:, 2:] - anchors[:, :2]
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp_min(1e-3)
    centre = boxes[:, :2] + 0.5 * sides
    return torch.cat([(centre - corner - 0.5 * side) / side, (sides / side).log()], dim=1)


def moved(differences: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """(N, 4) the boxes that differ so from anchors (N, 4): the inverse of `differences`."""
    match_shape(differences, anchors.shape[0], 4, name="differences")
    side = anchors[:, 2:] - anchors[:, :2]
    centre = anchors[:, :2] + 0.5 * side + differences[:, :2] * side
    half = 0.5 * side * differences[:, 2:].clamp_max(MOST_GROWTH).exp()
    return torch.cat([centre - half, centre + half], dim=1)


def clipped(boxes: torch.Tensor, height: float, width: float) -> torch.Tensor:
    """(N, 4) within an image."""
    limits = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp_min(0.0), limits)


def sides_at_least(boxes: torch.Tensor, least: float) -> torch.Tensor:
    """(N,) bool: both sides are so long."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= least).all(1)


def overlaps(boxes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(N, M) float32 IoU, by op `box_iou`."""
    boxes, others = boxes.detach().float().contiguous(), others.detach().float().contiguous()
    if boxes.is_cuda:
        return box_iou(boxes, others)
    return torch.from_numpy(box_iou(boxes.numpy(), others.numpy()))


def thinned(boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, threshold: float) -> torch.Tensor:
    """(K,) int64 rows that non-maximum suppression keeps, the best first, by op `nms`."""
    boxes, scores = boxes.detach().float().contiguous(), scores.detach().float().contiguous()
    if boxes.is_cuda:
        return nms(boxes, scores, groups, threshold)
    return torch.from_numpy(nms(boxes.numpy(), scores.numpy(), groups.numpy(), threshold))
