"""Anchors: boxes of fixed shapes at every position of feature maps, from which objects are told.

Ren et al. 2015 (Faster R-CNN, section 3.1.1), on the levels of a pyramid as Lin et al. 2017 (FPN, section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def shapes_of(size: float, scales: Sequence[float], ratios: Sequence[float]) -> torch.Tensor:
    """(len(scales) len(ratios), 4) around 0: of area (size scale)², ratio height by width."""
    found = []
    for scale in scales:
        for ratio in ratios:
            width = size * scale * ratio**-0.5
            height = size * scale * ratio**0.5
            found.append([-0.5 * width, -0.5 * height, 0.5 * width, 0.5 * height])
    return torch.tensor(found)


def anchors_of(
    sides: Sequence[tuple[int, int]],
    strides: Sequence[int],
    size: float,
    scales: Sequence[float],
    ratios: Sequence[float],
) -> list[torch.Tensor]:
    """For each level the anchors (h w A, 4) of its maps, position by position, A shapes at each.

    Args:
        sides: (h, w) of each level's maps. strides: pixels of the image between two positions of a level.
        size: of an anchor, in strides of its level. scales: of it. ratios: height by width.
    """
    found = []
    for (height, width), stride in zip(sides, strides, strict=True):
        rows, columns = (stride * (torch.arange(n) + 0.5) for n in (height, width))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centres = torch.stack([x, y, x, y], dim=2).view(-1, 1, 4)
        found.append((centres + shapes_of(size * stride, scales, ratios)).view(-1, 4))
    return found
