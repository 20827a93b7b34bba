"""Which input numbers move a score: gradients, of one input or averaged along the way to it.

- gradient: Simonyan et al. 2014, "Deep inside convolutional networks" (https://arxiv.org/abs/1312.6034), section 3;
- input x gradient: Shrikumar et al. 2016 (https://arxiv.org/abs/1605.01713);
- SmoothGrad: Smilkov et al. 2017 (https://arxiv.org/abs/1706.03825);
- integrated gradients: Sundararajan et al. 2017 (https://arxiv.org/abs/1703.01365).

Each takes a `Score` and inputs (B, …), and gives an attribution of the inputs' shape. `heat` makes a map of one.
"""

from __future__ import annotations

import torch

from neuralcore.shape import match_shape
from neuralcore.understanding.score import Score, gradient_of


def gradient(score: Score, inputs: torch.Tensor) -> torch.Tensor:
    """∂ score / ∂ input."""
    return gradient_of(score, inputs)


def input_gradient(score: Score, inputs: torch.Tensor) -> torch.Tensor:
    """input · ∂ score / ∂ input: the linear part of the score that each number has, black being nothing."""
    return inputs * gradient_of(score, inputs)


def smooth_gradient(
    score: Score, inputs: torch.Tensor, *, samples: int = 25, noise: float = 0.15, generator: torch.Generator
) -> torch.Tensor:
    """The mean gradient over `samples` inputs with normal noise.

    Args:
        noise: its deviation, as a share of each input's largest number less its smallest (the paper: 0.1 to 0.2).
    """
    flat = inputs.flatten(1)
    spread = noise * (flat.amax(1) - flat.amin(1)).view(-1, *[1] * (inputs.ndim - 1))
    total = torch.zeros_like(inputs)
    for _ in range(samples):
        drawn = torch.randn(inputs.shape, generator=generator).to(inputs)
        total += gradient_of(score, inputs + spread * drawn)
    return total / samples


def integrated_gradients(
    score: Score, inputs: torch.Tensor, *, baseline: torch.Tensor | float = 0.0, steps: int = 64
) -> torch.Tensor:
    """(x - x0) ∫ ∂ score(x0 + α (x - x0)) / ∂ x dα, by the midpoints of `steps` intervals.

    What it adds up to is score(x) - score(x0), the more exactly the more steps.

    Args:
        baseline: x0, of the inputs' shape or one number for all; black by default.
    """
    start = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand_as(inputs)
    way = inputs - start
    total = torch.zeros_like(inputs)
    for step in range(steps):
        total += gradient_of(score, start + (step + 0.5) / steps * way)
    return way * total / steps


def heat(attribution: torch.Tensor) -> torch.Tensor:
    """(B, H, W) from (B, C, H, W): the largest size of a pixel's channels (Simonyan et al. 2014, section 3.1)."""
    match_shape(attribution, -1, -1, -1, -1, name="attribution")
    return attribution.abs().amax(1)
