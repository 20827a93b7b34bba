"""Pictures of what a generative model makes: tiles of pixels, without anything between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from neuralcore.generative.pyramids import as_bytes
from neuralcore.lazy import lazy_import

matplotlib_image = lazy_import("matplotlib.image", extra="plots")

ZOOM = 2  # pixels a pixel
ROWS = 10  # pairs of images that are interpolated between


def tiles(images: torch.Tensor, path: Path, columns: int) -> None:
    """Images (N, C, H, W), bytes or floats in [0, 1], row by row."""
    if images.dtype != torch.uint8:
        images = as_bytes(images)
    count, _, height, width = images.shape
    rows = -(-count // columns)
    page = np.full((rows * columns, height, width, 3), 255, np.uint8)
    page[:count] = images.cpu().numpy().transpose(0, 2, 3, 1)  # one channel is broadcast to three
    whole = page.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    matplotlib_image.imsave(path, whole.repeat(ZOOM, 0).repeat(ZOOM, 1))


def beside(images: torch.Tensor, others: torch.Tensor, path: Path, columns: int = 16) -> None:
    """Rows of images (N, C, H, W), below each row that of the others; both bytes or floats in [0, 1]."""
    both = [image if image.dtype == torch.uint8 else as_bytes(image) for image in (images.cpu(), others.cpu())]
    count = len(images) // columns * columns
    pairs = torch.stack([image[:count].unflatten(0, (-1, columns)) for image in both], 1)
    tiles(pairs.flatten(0, 2), path, columns)


def between(first: torch.Tensor, last: torch.Tensor, steps: int = 10) -> torch.Tensor:
    """(N x steps, D): from each code of `first` (N, D) to that of `last` in a straight line."""
    share = torch.linspace(0.0, 1.0, steps, device=first.device)[:, None]
    return (first[:, None] * (1.0 - share) + last[:, None] * share).flatten(0, 1)


def around(first: torch.Tensor, last: torch.Tensor, steps: int = 10) -> torch.Tensor:
    """As `between`, on the great circle, where Gaussian codes are as likely as their ends (White 2016)."""
    share = torch.linspace(0.0, 1.0, steps, device=first.device)[:, None]
    cosine = torch.nn.functional.cosine_similarity(first, last, dim=1).clamp(-1.0 + 1e-6, 1.0 - 1e-6)
    angle = cosine.acos()[:, None, None]
    parts = torch.sin((1.0 - share) * angle) * first[:, None] + torch.sin(share * angle) * last[:, None]
    return (parts / torch.sin(angle)).flatten(0, 1)
