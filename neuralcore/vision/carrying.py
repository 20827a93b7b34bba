"""Weights carried from a classifier's trunk to an agent's, and back.

Nature's, IMPALA's and residual trunks are one code for both, and their weights have the same names. What differs is
in front: a classifier is shown images normalised by `Normalised`, an agent's trunk does that itself, in `Pixels`. So
the normalisation is carried with the weights, and both say the same of an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.layers.convolution import Pixels
from neuralcore.vision.normalised import ImageModel, Normalised

State = Mapping[str, torch.Tensor]
IN_FRONT = "pixels."  # what of an agent's trunk is no weight


class Carried(NamedTuple):
    """Names of weights.

    Attributes:
        taken: now as the other's. left: as they were, for want of one of that name and shape: fully connected layers,
            where images are of another size or the other has none.
    """

    taken: list[str]
    left: list[str]


def trunk_from_run(trunk: nn.Module, run: str) -> Carried:
    """Give an agent's trunk the weights of a fitted classifier, in the run folder of `neuralcore fit`.

    Raises:
        UserError: there is none, or its convolutions are not the trunk's.
    """
    from neuralcore.fitting.saved import load_model

    fitted = load_model(run).model
    if not isinstance(fitted, ImageModel):
        raise UserError(f'{run} holds no classifier: name a run of task = "classify"')
    try:
        return to_agent(trunk, fitted)
    except UserError as error:
        raise UserError(f"{run}: {error}") from None


def trunk_of_run(trunk: nn.Module, normalised: Normalised, run: str) -> Carried:
    """Give a network with a classifier's trunk, and the normalisation before it, the weights of a fitted classifier.

    Raises:
        UserError: there is none, or its convolutions are not the trunk's.
    """
    from neuralcore.fitting.saved import load_model

    fitted = load_model(run).model
    if not isinstance(fitted, ImageModel):
        raise UserError(f'{run} holds no classifier: name a run of task = "classify"')
    try:
        carried = _take(trunk, fitted.trunk.state_dict())
    except UserError as error:
        raise UserError(f"{run}: {error}") from None
    normalised.load_state_dict(fitted.normalised.state_dict())
    return carried


def to_agent(trunk: nn.Module, model: ImageModel) -> Carried:
    """Give an agent's trunk the weights of a classifier's, and its normalisation.

    Images with other numbers than bytes keep the largest that the trunk has for them: it stands for 255.

    Raises:
        UserError: convolutions differ in name or shape, or the trunk takes no images.
    """
    pixels = getattr(trunk, "pixels", None)
    if not isinstance(pixels, Pixels):
        raise UserError(f"a {type(trunk).__name__} takes no images: network 'nature', 'impala' or 'resnet'")
    carried = _take(trunk, model.trunk.state_dict())
    pixels.mean, pixels.std = (model.normalised.mean.detach().clone(), model.normalised.std.detach().clone())
    return carried


def to_classifier(model: ImageModel, state: State) -> Carried:
    """Give a classifier's trunk the weights of an agent's, from its state, and the normalisation that it has.

    Raises:
        UserError: convolutions differ in name or shape.
    """
    weights = {name: value for name, value in state.items() if not name.startswith(IN_FRONT)}
    carried = _take(model.trunk, weights)
    for name, plain in (("mean", 0.0), ("std", 1.0)):
        mine = getattr(model.normalised, name)
        mine.copy_(state.get(IN_FRONT + name, torch.full_like(mine, plain)))
    return carried


@torch.no_grad()
def _take(trunk: nn.Module, theirs: State) -> Carried:
    """Copy what agrees in name and shape; convolutions must."""
    mine = {name: value for name, value in trunk.state_dict().items() if not name.startswith(IN_FRONT)}
    kernels = [name for name, value in (mine | dict(theirs)).items() if value.ndim == 4]
    for name in kernels:
        shapes = [tuple(state[name].shape) if name in state else None for state in (mine, theirs)]
        if shapes[0] != shapes[1]:
            words = ["none" if shape is None else "x".join(map(str, shape)) for shape in shapes]
            raise UserError(
                f"the weights are of another network: {name} is {words[1]}, expected {words[0]} "
                f"(outputs x inputs x kernel)"
            )
    taken = [name for name, value in mine.items() if name in theirs and theirs[name].shape == value.shape]
    for name in taken:
        mine[name].copy_(theirs[name])
    return Carried(taken, [name for name in mine if name not in taken])
