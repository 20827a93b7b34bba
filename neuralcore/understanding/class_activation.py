"""Class activation maps: where the last feature maps speak for an output.

- CAM: Zhou et al. 2016, "Learning deep features for discriminative localization" (https://arxiv.org/abs/1512.04150),
  M = Σ_f w_f A_f, for networks whose head is a mean over pixels and one linear layer;
- Grad-CAM: Selvaraju et al. 2017 (https://arxiv.org/abs/1610.02391): the same for any network, w_f being the mean
  over pixels of ∂ score / ∂ A_f, and what speaks against is cut off. For CAM's networks w_f is CAM's divided by the
  number of pixels, so the two maps are one but for scale.

Axes: B images, F maps of h x w, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.understanding.score import Score, captured, features_of, last_maps, module_named


def cam(model: nn.Module, images: torch.Tensor, target: int, *, module: str | None = None) -> torch.Tensor:
    """(B, H, W): Σ_f w_f A_f, brought to the images' size by straight lines between pixels.

    Args:
        model: whose last layer is a linear one of the maps' means. module: the name of what gives the maps; None: the
            trunk.

    Raises:
        UserError: its outputs are something else, or there is no such output.
    """
    with torch.no_grad():
        name = module or last_maps(model, images)
        given, outputs = features_of(model, [name], images)
        maps = _maps(given, name)
        inside = set(module_named(model, name).modules())
        after = [m for m in model.modules() if isinstance(m, nn.Linear) and m not in inside]
        suits = len(after) == 1 and after[0].in_features == maps.shape[1]
        if not suits or not torch.allclose(after[0](maps.mean((2, 3))), outputs, rtol=1e-3, atol=1e-3):
            raise UserError(
                "CAM needs a network that ends in a mean over pixels and one linear layer, which this one does not: "
                "use Grad-CAM"
            )
        if not 0 <= target < len(after[0].weight):
            raise UserError(
                f"output {target} is asked for, and the network has {len(after[0].weight)}, counted from 0"
            )
        found = torch.einsum("bfhw,f->bhw", maps, after[0].weight[target])
        return enlarged(found, images.shape[2], images.shape[3])


def grad_cam(
    model: nn.Module, score: Score, images: torch.Tensor, *, module: str | None = None, against: bool = False
) -> torch.Tensor:
    """(B, H, W): relu(Σ_f w_f A_f), brought to the images' size.

    Args:
        model: what `score` asks, whose module is looked into. module: its name; None: the last with maps.
        against: leave what speaks against the score, below 0.

    Raises:
        UserError: the module gives no maps, or was not used.
    """
    name = module or last_maps(model, images)
    with torch.enable_grad(), captured({name: module_named(model, name)}) as given:
        scores = score(images.detach().clone().requires_grad_(True))
        maps = _maps(given, name)
        (slopes,) = torch.autograd.grad(scores.sum(), maps)
    weights = slopes.mean((2, 3), keepdim=True)
    found = (weights * maps.detach()).sum(1)
    return enlarged(found if against else found.relu(), images.shape[2], images.shape[3])


def _maps(given: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """What a module gave, which shall be maps (B, F, h, w)."""
    if name not in given:
        raise UserError(f"module {name!r} was not used: name another")
    if given[name].ndim != 4:
        raise UserError(
            f"module {name!r} gives numbers of shape {tuple(given[name].shape[1:])}, no maps: name another"
        )
    return given[name]


def enlarged(maps: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(B, h, w) -> (B, height, width), by straight lines between pixels."""
    return F.interpolate(maps[:, None].float(), (height, width), mode="bilinear", align_corners=False)[:, 0]
