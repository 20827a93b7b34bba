"""Variations of a batch of images that leave what they show as it is, or mix it in known shares.

All of it is indexing and sums of whole batches on the device where they lie, drawn from a generator of the CPU, so a
seed gives the same batch on every device.

Axes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from neuralcore.shape import match_shape


def shifted(images: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Each image (B, C, H, W) moved by up to `most` pixels along either axis, its border reflected into the gap: the
    crop of an image padded by `most` (He et al. 2016, section 4.2, pads with zeros)."""
    count, _, height, width = images.shape
    by = torch.randint(-most, most + 1, (2, count), generator=generator)
    return _taken(images, _reflected(by[0], height), _reflected(by[1], width))


def flipped(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image (B, C, H, W) as it is or mirrored left to right, at odds of one to one."""
    count, width = images.shape[0], images.shape[-1]
    mirrored = torch.rand(count, generator=generator) < 0.5
    return (
        torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images) if width > 1 else images
    )


def cut_out(images: torch.Tensor, side: int, generator: torch.Generator, fill: torch.Tensor) -> torch.Tensor:
    """A square of `side` pixels around a random pixel, cut at the border, replaced by `fill` (C,) (DeVries & Taylor
    2017, Cutout)."""
    count, channels, height, width = images.shape
    match_shape(fill, channels, name="fill")
    holes = _squares(count, height, width, side, side, generator).to(images.device)
    return torch.where(holes[:, None], fill.to(images)[None, :, None, None], images)


class Mixed(NamedTuple):
    """Images of which each shows two examples.

    Attributes:
        images: (B, C, H, W). partner: (B,) int64, the row in the batch that image i is mixed with.
        share: (B,) float32 in [0, 1], how much of it is its own.
    """

    images: torch.Tensor
    partner: torch.Tensor
    share: torch.Tensor


def mixed_up(images: torch.Tensor, alpha: float, generator: torch.Generator) -> Mixed:
    """λ x_i + (1 - λ) x_j with one λ ~ Beta(α, α) a batch (Zhang et al. 2018, mixup). Images are floats."""
    share = _beta(alpha, generator)
    partner = torch.randperm(len(images), generator=generator)
    mixed = images * share + images[partner.to(images.device)] * (1.0 - share)
    return Mixed(mixed, partner, torch.full((len(images),), share))


def cut_mixed(images: torch.Tensor, alpha: float, generator: torch.Generator) -> Mixed:
    """A rectangle of the share 1 - λ of the pixels, λ ~ Beta(α, α), from another image (Yun et al. 2019, CutMix).

    The shares are those of the pixels that were replaced, after the rectangle was cut at the border.
    """
    count, _, height, width = images.shape
    side = (1.0 - _beta(alpha, generator)) ** 0.5
    partner = torch.randperm(count, generator=generator)
    tall, wide = round(height * side), round(width * side)
    place = _squares(1, height, width, tall, wide, generator).expand(count, -1, -1)
    other = images[partner.to(images.device)]
    share = 1.0 - place.float().mean(dim=(1, 2))
    return Mixed(torch.where(place.to(images.device)[:, None], other, images), partner, share)


def _reflected(by: torch.Tensor, size: int) -> torch.Tensor:
    """(B, size): from which pixel each comes, `by` (B,) further; beyond the border, from as far within it."""
    at = torch.arange(size) + by[:, None]
    at = at.abs()
    return torch.where(at >= size, 2 * (size - 1) - at, at).clamp_(0, size - 1)


def _taken(images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """(B, C, H', W') pixels of the rows (B, H') and columns (B, W') of each image."""
    rows, columns = rows.to(images.device), columns.to(images.device)
    count, channels, height, width = images.shape
    flat = rows[:, :, None] * width + columns[:, None, :]
    index = flat.view(count, 1, -1).expand(-1, channels, -1)
    taken = images.reshape(count, channels, height * width).gather(2, index)
    return taken.view(count, channels, rows.shape[1], columns.shape[1])


def _squares(count: int, height: int, width: int, tall: int, wide: int, generator: torch.Generator) -> torch.Tensor:
    """(B, H, W) bool: rectangles of tall x wide pixels around random ones."""
    top = torch.randint(height, (count,), generator=generator) - tall // 2
    left = torch.randint(width, (count,), generator=generator) - wide // 2
    rows, columns = torch.arange(height), torch.arange(width)
    across = (rows >= top[:, None]) & (rows < top[:, None] + tall)
    along = (columns >= left[:, None]) & (columns < left[:, None] + wide)
    return across[:, :, None] & along[:, None, :]


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A number of Beta(α, α): x / (x + y) of two gammas, which take the generator."""
    pair = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator)
    return float(pair[0] / pair.sum().clamp_min(1e-300))
