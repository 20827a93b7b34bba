"""Maps of pixels by a method's name, as the commands have them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from neuralcore.understanding.ascent import blurred
from neuralcore.understanding.class_activation import cam, grad_cam
from neuralcore.understanding.guided import guided_gradient
from neuralcore.understanding.occluded import occlusion
from neuralcore.understanding.saliency import gradient, heat, input_gradient, integrated_gradients, smooth_gradient
from neuralcore.understanding.score import Score

Method = Literal[
    "gradient",
    "input-gradient",
    "smooth-gradient",
    "integrated-gradients",
    "guided",
    "deconvolution",
    "occlusion",
    "cam",
    "grad-cam",
]
COVERED = 8  # squares that fit along a side, of "occlusion", which shows each place blurred


def pixel_map(
    method: Method,
    model: nn.Module,
    score: Score,
    images: torch.Tensor,
    *,
    target: int,
    module: str | None = None,
    seed: int = 0,
) -> torch.Tensor:
    """(B, H, W) for images (B, C, H, W) in [0, 1]: what matters to a score, larger where more.

    Args:
        model: what `score` asks, in evaluation mode. target: its output, for "cam". module: for "cam" and "grad-cam",
            see there. seed: of the noise of "smooth-gradient".
    """
    if method == "occlusion":
        side = max(min(images.shape[2:]) // COVERED, 1)
        fill = blurred(images, 0.5 * side)
        return occlusion(score, images, side=side, stride=max(side // 3, 1), fill=fill).relu()
    if method == "cam":
        return cam(model, images, target, module=module).relu()
    if method == "grad-cam":
        return grad_cam(model, score, images, module=module)
    if method == "smooth-gradient":
        return heat(smooth_gradient(score, images, generator=torch.Generator().manual_seed(seed)))
    if method in ("guided", "deconvolution"):
        return heat(guided_gradient(score, images, rule="guided" if method == "guided" else "deconvolution"))
    kinds = {
        "gradient": gradient,
        "input-gradient": input_gradient,
        "integrated-gradients": integrated_gradients,
    }
    return heat(kinds[method](score, images))
