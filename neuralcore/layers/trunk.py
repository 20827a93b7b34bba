"""A trunk by name: what turns one observation into features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from neuralcore.errors import UserError, nearest
from neuralcore.layers.convolution import NatureTrunk, image_shape
from neuralcore.layers.fourier import FourierBasis
from neuralcore.layers.initial import InitialWeights
from neuralcore.layers.mlp import MLP
from neuralcore.layers.residual import ImpalaTrunk
from neuralcore.layers.resnet import ResNetTrunk

TRUNKS = ("mlp", "nature", "impala", "resnet", "fourier")


def trunk_for(shape: tuple[int, ...]) -> str:
    """The name that fits an observation's shape.

    "nature" for images (C, H, W) or (H, W, C) of 36x36 pixels or more, "impala" for smaller ones from 5x5 on, as its
    kernels are 3x3; "mlp" for all else.
    """
    side = min(image_shape(shape)[1:]) if len(shape) == 3 else 0
    return "nature" if side >= 36 else "impala" if side >= 5 else "mlp"


def make_trunk(
    name: str,
    shape: tuple[int, ...],
    hidden: Sequence[int],
    *,
    high: float = 255.0,
    initial: InitialWeights = "fan_in",
    generator: torch.Generator | None = None,
) -> MLP | NatureTrunk | ImpalaTrunk | ResNetTrunk | FourierBasis:
    """The named trunk for observations of `shape`; `hidden` are the widths of its fully connected layers.

    The Nature trunk takes exactly one width (512 in the paper), the MLP, IMPALA's (256 in the paper) and the residual
    network's any number of them; the Fourier basis one, its number of features. `high` is the largest number in an
    image.
    """
    if name == "mlp":
        return MLP(math.prod(shape), hidden, initial=initial, generator=generator)
    if name == "fourier" and len(hidden) == 1:
        return FourierBasis(math.prod(shape), hidden[0])
    if name in ("nature", "impala", "resnet"):
        if len(shape) != 3:
            raise UserError(f"network {name!r} needs image observations (C, H, W), got shape {shape}: use 'mlp'")
        image = shape[0], shape[1], shape[2]
        if name in ("impala", "resnet"):
            kind = ImpalaTrunk if name == "impala" else ResNetTrunk
            return kind(image, hidden, high=high, initial=initial, generator=generator)
        if len(hidden) != 1:
            raise UserError(f"network 'nature' has one hidden layer (512 in the paper), got {list(hidden)}")
        return NatureTrunk(image, hidden[0], high=high, initial=initial, generator=generator)
    raise UserError(f"unknown network {name!r}: {nearest(name, TRUNKS)}")
