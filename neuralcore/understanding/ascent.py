"""Images that please a network: gradient ascent on a class's score, and DeepDream.

- class-score ascent: Simonyan et al. 2014 (https://arxiv.org/abs/1312.6034), section 2, argmax_x S_c(x) - λ |x|²;
  blur and jitter after Yosinski et al. 2015 (https://arxiv.org/abs/1506.06579) and Mordvintsev et al. 2015;
- DeepDream: Mordvintsev, Olah & Tyka 2015, "Inceptionism": what a layer sees is made stronger, in octaves.

Deviations: images stay in [0, 1], as the networks here normalise by themselves, and |x|² is taken from middle grey; a
gradient is divided by its own size, so that steps are in units of pixels and suit any network.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.understanding.class_activation import enlarged
from neuralcore.understanding.score import Score, features_of, gradient_of

GREY = 0.5


def ascend(
    score: Score,
    images: torch.Tensor,
    *,
    steps: int = 200,
    step_size: float = 0.05,
    decay: float = 0.01,
    blur: float = 0.5,
    blur_every: int = 4,
    jitter: int = 2,
    generator: torch.Generator,
) -> torch.Tensor:
    """Images (B, C, H, W) in [0, 1] that score higher and higher, from the ones given.

    Args:
        step_size: root mean square by which a step changes an image's numbers.
        decay: λ, of an image's distance from grey: what each step takes of it.
        blur: deviation in pixels of a Gaussian blur after every `blur_every` steps; 0: none.
        jitter: pixels by which images are rolled around at random before a step, and back after it.
    """
    x = images.detach().clone()
    for step in range(steps):
        rolled, back = _rolled(x, jitter, generator)
        slope = back(gradient_of(score, rolled))
        x = x + step_size * slope / _size(slope)
        x = (GREY + (1.0 - decay) * (x - GREY)).clamp(0.0, 1.0)
        if blur and (step + 1) % blur_every == 0:
            x = blurred(x, blur)
    return x


def deep_dream(
    model: nn.Module,
    module: str,
    images: torch.Tensor,
    *,
    octaves: int = 3,
    ratio: float = 1.4,
    steps: int = 10,
    step_size: float = 0.03,
    jitter: int = 2,
    generator: torch.Generator,
) -> torch.Tensor:
    """Images (B, C, H, W) in [0, 1] in which the named module's outputs are larger: ascent on half their mean square.

    Args:
        octaves, ratio: the image is dreamt at so many sizes, each `ratio` times the one before; what was dreamt at
            one is enlarged and added to the image at the next. A network that takes one size only has one octave.
        steps, step_size: of each octave; the step is of the mean size `step_size`. jitter: as in `ascend`.
    """
    if octaves < 1:
        raise UserError(f"octaves must be 1 or more, got {octaves}")
    height, width = images.shape[2:]

    def score(inputs: torch.Tensor) -> torch.Tensor:
        given, _ = features_of(model, [module], inputs)
        return 0.5 * given[module].pow(2).flatten(1).mean(1)

    dreamt = torch.zeros_like(images[:, :, :1, :1])
    for octave in reversed(range(octaves)):
        size = max(round(height / ratio**octave), 8), max(round(width / ratio**octave), 8)
        base = resized(images, *size)
        x = base + resized(dreamt, *size)
        for _ in range(steps):
            rolled, back = _rolled(x, jitter, generator)
            slope = back(gradient_of(score, rolled))
            x = (x + step_size * slope / slope.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)).clamp(0.0, 1.0)
        dreamt = x - base
    return x


def blurred(images: torch.Tensor, deviation: float) -> torch.Tensor:
    """Images (B, C, H, W) under a Gaussian, cut at three deviations, borders reflected."""
    reach = min(max(round(3.0 * deviation), 1), min(images.shape[2:]) - 1)
    at = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (at / deviation) ** 2)
    kernel = kernel / kernel.sum()
    channels = images.shape[1]
    x = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    x = F.conv2d(x, kernel.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(x, kernel.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)


def resized(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Images (B, C, H, W) of another size, by straight lines between pixels."""
    return enlarged(images.flatten(0, 1), height, width).unflatten(0, images.shape[:2])


def _size(slope: torch.Tensor) -> torch.Tensor:
    """(B, 1, 1, 1): the root mean square of each image's numbers."""
    return slope.pow(2).mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)


def _rolled(
    images: torch.Tensor, most: int, generator: torch.Generator
) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """Images rolled around by up to `most` pixels along both axes, and the function that rolls back."""
    down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
    return images.roll((down, right), (2, 3)), lambda x: x.roll((-down, -right), (2, 3))
