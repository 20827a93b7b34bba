"""How training images and the labels of their pixels are varied together.

Everything is drawn from a generator of the CPU, so a seed gives the same batch on every device. Axes: B images, C
channels, H x W pixels.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from neuralcore.shape import match_shape

COARSE = 3  # displacements along an axis, between which an elastic deformation is smooth
Pair = tuple[torch.Tensor, torch.Tensor]  # images (B, C, H, W) uint8, labels (B, H, W) uint8


def cropped(images: torch.Tensor, labels: torch.Tensor, side: int, generator: torch.Generator) -> Pair:
    """A square of `side` pixels at a random place of each, drawn alike for all."""
    count, height, width = match_shape(labels, -1, -1, -1, name="labels")
    top = torch.randint(height - side + 1, (count,), generator=generator).tolist()
    left = torch.randint(width - side + 1, (count,), generator=generator).tolist()
    windows = [(slice(t, t + side), slice(x, x + side)) for t, x in zip(top, left, strict=True)]
    taken = torch.stack([image[:, rows, columns] for image, (rows, columns) in zip(images, windows, strict=True)])
    return taken, torch.stack([label[rows, columns] for label, (rows, columns) in zip(labels, windows, strict=True)])


def turned(images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator) -> Pair:
    """Each square image in one of its eight views: a quarter turn after the other, and mirrored."""
    count, side = match_shape(labels, -1, -1, labels.shape[1], name="labels")[:2]
    views = torch.randint(8, (count,), generator=generator).tolist()
    match_shape(images, count, -1, side, side, name="images")
    return (
        torch.stack([_view(image, view) for image, view in zip(images, views, strict=True)]),
        torch.stack([_view(label, view) for label, view in zip(labels, views, strict=True)]),
    )


def _view(array: torch.Tensor, view: int) -> torch.Tensor:
    turned = torch.rot90(array, view % 4, (-2, -1))
    return turned.flip(-1) if view >= 4 else turned


def deformed(images: torch.Tensor, labels: torch.Tensor, size: float, generator: torch.Generator) -> Pair:
    """Moved by a smooth field: 3 x 3 displacements of normal length, `size` pixels their deviation along an axis, and
    bicubic between (Ronneberger et al. 2015, section 3.1). Beyond the border the image is mirrored.

    Pixels are bilinear between their neighbours, labels the nearest one's.
    """
    count, height, width = match_shape(labels, -1, -1, -1, name="labels")
    coarse = size * torch.randn(count, 2, COARSE, COARSE, generator=generator)
    field = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    x = (columns + field[:, 0]) * (2.0 / width) - 1.0
    y = (rows[:, None] + field[:, 1]) * (2.0 / height) - 1.0
    grid = torch.stack([x, y], dim=3).to(images.device)
    moved = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    kept = F.grid_sample(
        labels[:, None].float(), grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return moved.round().to(torch.uint8), kept[:, 0].round().to(torch.uint8)


def relit(images: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """Contrast by a factor of 1 ± `most` around each image's mean, brightness by ± `most` of 255, both uniform."""
    drawn = most * (2.0 * torch.rand(2, len(images), 1, 1, 1, generator=generator) - 1.0).to(images.device)
    pixels = images.float()
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return ((pixels - mean) * (1.0 + drawn[0]) + mean + 255.0 * drawn[1]).round().clamp(0, 255).to(torch.uint8)
