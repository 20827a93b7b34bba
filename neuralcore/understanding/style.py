"""Textures and styles by Gram matrices.

- texture: Gatys et al. 2015, "Texture synthesis using convolutional neural networks" (https://arxiv.org/abs/1505.07376);
- style transfer: Gatys et al. 2016, "Image style transfer using convolutional neural networks": one image's content
  with another's style.

Loss: Σ_l |G_l(x) - G_l(style)|² / |G_l(style)|², beside content_weight · |A(x) - A(content)|² / |A(content)|².
Deviations: each term is divided by the size of what is wanted (the papers: by 4 F² M²), so that layers count alike
and weights suit any network; networks here are whatever was fitted, not VGG-19 on ImageNet, and know the styles of
what they saw; images stay in [0, 1]. The papers' L-BFGS takes the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.shape import match_shape
from neuralcore.understanding.ascent import GREY
from neuralcore.understanding.score import features_of, unvarying

EDGE = 0.02  # nearest to black and white that it begins


def gram(maps: torch.Tensor) -> torch.Tensor:
    """(B, F, F): the mean over pixels of products of maps (B, F, h, w)."""
    _, _, height, width = match_shape(maps, -1, -1, -1, -1, name="maps")
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / (height * width)


def texture(
    model: nn.Module,
    modules: Sequence[str],
    image: torch.Tensor,
    *,
    size: tuple[int, int] | None = None,
    steps: int = 100,
    generator: torch.Generator,
) -> tuple[torch.Tensor, list[float]]:
    """An image (1, C, *size) of the same texture as `image` (1, C, H, W), from noise.

    Args:
        modules: whose Gram matrices it shall share, by name. size: by default the image's.

    Returns:
        The image, and the loss each time that it was computed; last, of the image.
    """
    height, width = size or (image.shape[2], image.shape[3])
    start = GREY + 0.2 * torch.randn((1, image.shape[1], height, width), generator=generator).to(image)
    with unvarying(model):
        wanted = _grams(model, modules, image)
        return _descend(lambda x: _style_loss(_all_maps(model, modules, x), wanted), start, steps)


def transfer(
    model: nn.Module,
    content: torch.Tensor,
    style: torch.Tensor,
    *,
    content_module: str,
    style_modules: Sequence[str],
    content_weight: float = 1.0,
    style_weight: float = 10.0,
    steps: int = 100,
) -> tuple[torch.Tensor, list[float]]:
    """An image with the content of one (1, C, H, W) and the style of another (1, C, H', W'), begun at the content.

    Args:
        content_module: whose maps shall be the content's. style_modules: whose Gram matrices shall be the style's.

    Returns:
        The image, and the loss each time that it was computed; last, of the image.
    """
    with unvarying(model):
        with torch.no_grad():
            maps = features_of(model, [content_module], content)[0][content_module].clone()
        wanted = _grams(model, style_modules, style)
        scale = maps.pow(2).sum().clamp_min(1e-12)

        def loss(x: torch.Tensor) -> torch.Tensor:
            given = _all_maps(model, [content_module, *style_modules], x)
            apart = (given[content_module] - maps).pow(2).sum() / scale
            return content_weight * apart + style_weight * _style_loss(given, wanted)

        return _descend(loss, content, steps)


def _all_maps(model: nn.Module, modules: Sequence[str], x: torch.Tensor) -> dict[str, torch.Tensor]:
    return features_of(model, list(dict.fromkeys(modules)), x)[0]


def _grams(model: nn.Module, modules: Sequence[str], image: torch.Tensor) -> dict[str, torch.Tensor]:
    if not modules:
        raise UserError("a style needs one module or more")
    with torch.no_grad():
        return {name: gram(maps).clone() for name, maps in _all_maps(model, modules, image).items()}


def _style_loss(given: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> torch.Tensor:
    terms = [(gram(given[name]) - g).pow(2).sum() / g.pow(2).sum().clamp_min(1e-12) for name, g in wanted.items()]
    return torch.stack(terms).mean()


def _descend(
    loss: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, steps: int
) -> tuple[torch.Tensor, list[float]]:
    """The image that L-BFGS comes to, as the logistic function of what it moves, which keeps it in (0, 1).

    All steps in one call: begun anew for each, torch's stops where it stands, far from the least.
    """
    z = torch.logit(start.detach().clamp(EDGE, 1.0 - EDGE)).requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [z], max_iter=steps, history_size=20, line_search_fn="strong_wolfe", tolerance_grad=0.0, tolerance_change=0.0
    )
    history: list[float] = []

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(torch.sigmoid(z))
        value.backward()
        history.append(float(value.detach()))
        return value

    optimiser.step(closure)
    image = torch.sigmoid(z.detach())
    with torch.no_grad():
        return image, [*history, float(loss(image))]
