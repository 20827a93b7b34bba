"""How training images are varied together with the boxes in them.

Everything is drawn from a generator of the CPU, so a seed gives the same batch on every device. Axes: B images, C
channels, H x W pixels, M objects of an image.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from neuralcore.detection.boxes import clipped
from neuralcore.detection.objects import Objects

SEEN = 0.4  # share of a box that must be left of it; less is difficult


def flipped(
    images: torch.Tensor, objects: list[Objects], upside_down: bool, generator: torch.Generator
) -> tuple[torch.Tensor, list[Objects]]:
    """Each image (B, C, H, W) as it is or mirrored left to right, at odds of one to one; also top to bottom, where
    that is as likely in the world."""
    height, width = images.shape[2:]
    drawn = (torch.rand(2, len(images), generator=generator) < 0.5).tolist()
    found, kept = [], []
    for image, own, across, down in zip(images, objects, drawn[0], drawn[1], strict=True):
        boxes, masks = own.boxes, own.masks
        if across:
            image = image.flip(2)
            boxes = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1)
            masks = None if masks is None else masks.flip(2)
        if down and upside_down:
            image = image.flip(1)
            boxes = torch.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], dim=1)
            masks = None if masks is None else masks.flip(1)
        found.append(image)
        kept.append(own._replace(boxes=boxes, masks=masks))
    return torch.stack(found), kept


def scaled(
    images: torch.Tensor, objects: list[Objects], most: float, fill: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, list[Objects]]:
    """Each image larger or smaller by a factor of up to 1 + `most`, at a random place of the canvas it has, or with a
    random part of it shown; `fill` (C,) around. Objects of which little can be seen become difficult, others are cut.
    """
    count, _, height, width = images.shape
    drawn = torch.rand(3, count, generator=generator)
    factor = (1.0 + most) ** (2.0 * drawn[0] - 1.0)
    shift = (1.0 - factor) * torch.stack([drawn[1] * width, drawn[2] * height])  # of the left and the top border
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    x = (columns - shift[0, :, None]) / factor[:, None] * (2.0 / width) - 1.0
    y = (rows - shift[1, :, None]) / factor[:, None] * (2.0 / height) - 1.0
    x, y = x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)
    grid = torch.stack([x, y], dim=3).to(images.device)
    level = fill.to(images.device)[:, None, None]
    moved = F.grid_sample(images.float() - level, grid, mode="bilinear", align_corners=False) + level
    found = []
    for number, own in enumerate(objects):
        offset = shift[:, number].repeat(2).to(own.boxes.device)
        whole = own.boxes * float(factor[number]) + offset
        boxes = clipped(whole, height, width)
        area = (whole[:, 2:] - whole[:, :2]).prod(1)
        seen = (boxes[:, 2:] - boxes[:, :2]).clamp_min(0.0).prod(1)
        masks = own.masks
        if masks is not None and len(masks):
            at = grid[number : number + 1].expand(len(masks), -1, -1, -1)
            masks = F.grid_sample(masks[:, None].float(), at, mode="nearest", align_corners=False)[:, 0] > 0.5
        kept = (seen > 0.0).nonzero()[:, 0]
        hard = own.difficult | (seen < SEEN * area)
        found.append(Objects(boxes[kept], own.kinds[kept], hard[kept], None if masks is None else masks[kept]))
    return moved.round().clamp(0, 255).to(torch.uint8), found


def recoloured(images: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """Contrast around the image's mean, saturation around its grey, and each channel's brightness, by factors of up
    to 1 ± `most`, uniform."""
    count, channels = images.shape[:2]
    drawn = most * (2.0 * torch.rand(2 + channels, count, 1, 1, 1, generator=generator) - 1.0).to(images.device)
    pixels = images.float()
    mean = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (pixels - mean) * (1.0 + drawn[0]) + mean
    grey = pixels.mean(1, keepdim=True)
    pixels = (pixels - grey) * (1.0 + drawn[1]) + grey
    factor = 1.0 + drawn[2:, :, :, 0, 0].permute(1, 0, 2)[:, :, :, None]
    return (pixels * factor).round().clamp(0, 255).to(torch.uint8)
