"""A whole image through a network, tile by tile: what the memory of one tile holds is enough for any image.

Axes: C channels, H x W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from neuralcore.shape import match_shape


def predicted(
    network: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    *,
    tile: int,
    overlap: int,
    margin: int = 0,
    views: int = 1,
) -> torch.Tensor:
    """(K, H, W) float32, the probabilities of an image (C, H, W), bytes, from tiles that overlap.

    Where they do, tiles count the more the nearer their middle is, so that no seam is seen: what a network says of a
    border, it says without knowing what lies beyond. Beyond the image's own border it is mirrored.

    Args:
        network: (1, C, tile + 2 margin, the same) -> logits (1, K, tile, tile).
        tile: pixels a side of what comes out. overlap: pixels that neighbours share, below `tile`.
        margin: of the network, see `neuralcore.segmentation`. views: of the image whose probabilities are averaged;
            8: turned by quarters, and these mirrored; 4: not mirrored (Ronneberger et al. 2015 average 7 turns).
    """
    total = torch.zeros(())
    for view in range(views):
        there = _turned(image, view)
        total = total + _turned_back(_tiled(network, there, tile, overlap, margin), view)
    return total / views


def _turned(image: torch.Tensor, view: int) -> torch.Tensor:
    image = image.rot90(view % 4, (1, 2))
    return image.flip(2) if view >= 4 else image


def _turned_back(image: torch.Tensor, view: int) -> torch.Tensor:
    image = image.flip(2) if view >= 4 else image
    return image.rot90(-(view % 4), (1, 2))


def _tiled(
    network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, tile: int, overlap: int, margin: int
) -> torch.Tensor:
    _, height, width = match_shape(image, -1, -1, -1, name="image")
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap must be from 0 to below the tile's {tile} pixels, got {overlap}")
    rows, columns = starts(height, tile, overlap), starts(width, tile, overlap)
    tall, wide = max(height, tile) + 2 * margin, max(width, tile) + 2 * margin
    given = mirrored(image, tall, wide, margin)
    weight = torch.from_numpy(np.minimum(np.arange(tile), np.arange(tile)[::-1]) + 1.0).float()
    weight = torch.minimum(weight, torch.tensor(float(max(overlap, 1)))).to(image.device)
    weight = weight[:, None] * weight
    total, seen = None, torch.zeros(max(height, tile), max(width, tile), device=image.device)
    for top in rows:
        for left in columns:
            window = given[None, :, top : top + tile + 2 * margin, left : left + tile + 2 * margin]
            odds = network(window)[0].float().softmax(0)
            if total is None:
                total = odds.new_zeros(len(odds), *seen.shape)
            total[:, top : top + tile, left : left + tile] += weight * odds
            seen[top : top + tile, left : left + tile] += weight
    assert total is not None
    return (total / seen)[:, :height, :width]


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along an axis: as few as overlap so much everywhere, spread evenly."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def mirrored(image: torch.Tensor, tall: int, wide: int, margin: int) -> torch.Tensor:
    """(C, tall, wide) with an image's first pixel at (margin, margin), and around it its mirror images."""
    return image[:, _mirrored(image.shape[1], tall, margin)][:, :, _mirrored(image.shape[2], wide, margin)]


def _mirrored(length: int, wanted: int, margin: int) -> torch.Tensor:
    """(wanted,) which pixel lies there, the border's not twice."""
    if length == 1:
        return torch.zeros(wanted, dtype=torch.int64)
    at = (torch.arange(wanted) - margin) % (2 * length - 2)
    return torch.where(at < length, at, 2 * length - 2 - at)
