"""Views of images: crops, turns, shears and changes of light, drawn by a generator, that leave what is shown.

Floats (B, C, H, W) in [0, 1] in and out; positions are shares of the half side, from -1 to 1, x first.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from neuralcore.data.augmentation import cut_out, flipped, shifted

GREY = (0.299, 0.587, 0.114)  # shares of red, green and blue in a grey of equal light (ITU-R BT.601)


def resampled(images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Each image as seen at matrix (B, 2, 3) times (x, y, 1), bilinear, its border reflected."""
    grid = F.affine_grid(matrices.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def cropped(images: torch.Tensor, least: float, generator: torch.Generator) -> torch.Tensor:
    """A rectangle of `least` to all of the area, sides from 3:4 to 4:3, at a random place, brought back to full size
    (Szegedy et al. 2015, section 6)."""
    count = len(images)
    area = least + (1.0 - least) * torch.rand(count, generator=generator)
    ratio = torch.exp((2.0 * torch.rand(count, generator=generator) - 1.0) * math.log(4.0 / 3.0))
    wide, tall = (area * ratio).sqrt().clamp(max=1.0), (area / ratio).sqrt().clamp(max=1.0)
    x, y = (2.0 * torch.rand(2, count, generator=generator) - 1.0).unbind()
    matrices = torch.zeros(count, 2, 3)
    matrices[:, 0, 0], matrices[:, 1, 1] = wide, tall
    matrices[:, 0, 2], matrices[:, 1, 2] = x * (1.0 - wide), y * (1.0 - tall)
    return resampled(images, matrices)


def warped(
    images: torch.Tensor, degrees: float, shear: float, shift: float, generator: torch.Generator
) -> torch.Tensor:
    """Turned by up to `degrees`, sheared by up to `shear`, moved by up to `shift` of the half side."""
    count = len(images)
    turn, lean, x, y = (2.0 * torch.rand(4, count, generator=generator) - 1.0).unbind()
    turn, lean = turn * math.radians(degrees), lean * shear
    matrices = torch.zeros(count, 2, 3)
    matrices[:, 0, 0], matrices[:, 0, 1] = turn.cos(), lean - turn.sin()
    matrices[:, 1, 0], matrices[:, 1, 1] = turn.sin(), turn.cos()
    matrices[:, 0, 2], matrices[:, 1, 2] = x * shift, y * shift
    return resampled(images, matrices)


def jittered(images: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Brightness, contrast, and where there are colours saturation, each times 1 ± up to `strength`."""
    factors = 1.0 + strength * (2.0 * torch.rand(3, len(images), generator=generator) - 1.0)
    light, contrast, colour = factors.to(images.device)[:, :, None, None, None]
    images = images * light
    images = (images - images.mean((1, 2, 3), keepdim=True)) * contrast + images.mean((1, 2, 3), keepdim=True)
    if images.shape[1] == 3:
        shares = torch.tensor(GREY, device=images.device)[:, None, None]
        grey = (images * shares).sum(1, keepdim=True)
        images = grey + (images - grey) * colour
    return images.clamp(0.0, 1.0)


def contrasted(images: torch.Tensor, generator: torch.Generator, *, least: float, jitter: float) -> torch.Tensor:
    """A view as SimCLR has it (Chen et al. 2020, section 3): cropped, mirrored, other light. No blur, as the paper
    leaves out for small images; no change of hue, none to grey."""
    return jittered(flipped(cropped(images, least, generator), generator), jitter, generator)


def weakly(images: torch.Tensor, generator: torch.Generator, *, flip: bool) -> torch.Tensor:
    """Moved by up to an eighth, mirrored if `flip` (Sohn et al. 2020, section 2.3)."""
    images = shifted(images, max(images.shape[2] // 8, 1), generator)
    return flipped(images, generator) if flip else images


def strongly(images: torch.Tensor, generator: torch.Generator, *, flip: bool) -> torch.Tensor:
    """Turned, sheared, moved, in other light, and with a square of half the side cut out: what FixMatch draws by
    RandAugment, here always all of it."""
    images = weakly(images, generator, flip=flip)
    images = jittered(warped(images, 30.0, 0.3, 0.25, generator), 0.5, generator)
    return cut_out(images, images.shape[2] // 2, generator, images.new_full((images.shape[1],), 0.5))
