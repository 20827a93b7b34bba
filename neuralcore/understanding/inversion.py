"""Feature inversion: the image that a network cannot tell from another one.

Mahendran & Vedaldi 2015, "Understanding deep image representations by inverting them"
(https://arxiv.org/abs/1412.0035): minimise |Φ(x) - Φ0|² / |Φ0|² + λ_α |x|_α^α + λ_V V^β(x), from noise.

Deviations: Adam takes the steps (the paper: gradient descent with momentum and a falling rate); images are in [0, 1]
and |x|_α is of the distance from grey; both priors are means over numbers, so that weights suit any size.
"""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.understanding.ascent import GREY
from neuralcore.understanding.score import features_of, unvarying

ALPHA = 6.0  # the paper's: numbers stay in a range
BETA = 2.0  # of the total variation, the paper's for all but the first layers


def invert(
    model: nn.Module,
    module: str,
    images: torch.Tensor,
    *,
    steps: int = 300,
    learning_rate: float = 0.05,
    range_weight: float = 1.0,
    variation_weight: float = 1.0,
    generator: torch.Generator,
) -> tuple[torch.Tensor, list[float]]:
    """Images whose features at the named module are those of `images` (B, C, H, W), begun from noise around grey.

    Args:
        range_weight: λ_α, of the numbers' distance from grey. variation_weight: λ_V, of the total variation.

    Returns:
        The images in [0, 1], and before each step the first term, the mean over images.
    """
    with unvarying(model):
        with torch.no_grad():
            wanted = features_of(model, [module], images)[0][module].clone()
        scale = wanted.pow(2).flatten(1).sum(1).clamp_min(1e-12)
        x = (GREY + 0.1 * torch.randn(images.shape, generator=generator)).to(images).requires_grad_(True)
        optimiser = torch.optim.Adam([x], learning_rate)
        history = []
        for _ in range(steps):
            optimiser.zero_grad()
            given = features_of(model, [module], x)[0][module]
            apart = (given - wanted).pow(2).flatten(1).sum(1) / scale
            priors = range_weight * (x - GREY).abs().pow(ALPHA).flatten(1).mean(1)
            priors = priors + variation_weight * total_variation(x)
            (apart + priors).sum().backward()
            history.append(float(apart.detach().mean()))
            optimiser.step()
            with torch.no_grad():
                x.clamp_(0.0, 1.0)
    return x.detach(), history


def total_variation(images: torch.Tensor, beta: float = BETA) -> torch.Tensor:
    """(B,): the mean over pixels of (Δ_down² + Δ_right²)^(β/2), of images (B, C, H, W)."""
    down = images[:, :, 1:, :-1] - images[:, :, :-1, :-1]
    right = images[:, :, :-1, 1:] - images[:, :, :-1, :-1]
    return (down.pow(2) + right.pow(2) + 1e-12).pow(beta / 2.0).flatten(1).mean(1)
