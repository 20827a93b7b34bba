"""Masks of objects as grids over their boxes, and back as pixels (He et al. 2017, Mask R-CNN, section 3)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from neuralcore.layers.roi_align import roi_aligned
from neuralcore.shape import match_shape


def gridded(masks: torch.Tensor, boxes: torch.Tensor, size: int) -> torch.Tensor:
    """(R, size, size) float32: the share of each cell of a box (R, 4) that its mask (R, H, W) bool covers."""
    match_shape(boxes, masks.shape[0], 4, name="boxes")
    rows = torch.arange(len(masks), device=masks.device)
    return roi_aligned(masks[:, None].float(), boxes, rows, 1.0, size)[:, 0]


def pasted(mask: torch.Tensor, box: torch.Tensor, height: int, width: int, threshold: float = 0.5) -> torch.Tensor:
    """(height, width) bool: a grid (S, S) of chances over a box (4,) as the pixels where they reach a threshold."""
    match_shape(mask, -1, -1, name="mask")
    left, top, right, bottom = box.tolist()
    x = (torch.arange(width) + 0.5 - left) / max(right - left, 1e-3) * 2.0 - 1.0
    y = (torch.arange(height) + 0.5 - top) / max(bottom - top, 1e-3) * 2.0 - 1.0
    grid = torch.stack([x[None].expand(height, -1), y[:, None].expand(-1, width)], dim=2)[None]
    # The border's cells reach to the box's sides; beyond, there is nothing.
    found = F.grid_sample(mask[None, None].float().cpu(), grid, padding_mode="border", align_corners=False)[0, 0]
    inside = (x.abs() <= 1.0)[None] & (y.abs() <= 1.0)[:, None]
    return (found >= threshold) & inside
