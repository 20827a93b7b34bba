"""A trunk by name: what turns one observation into features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from neuralcore.errors import UserError, nearest
from neuralcore.layers.convolution import NatureTrunk
from neuralcore.layers.fourier import FourierBasis
from neuralcore.layers.initial import InitialWeights
from neuralcore.layers.mlp import MLP

TRUNKS = ("mlp", "nature", "fourier")


def trunk_for(shape: tuple[int, ...]) -> str:
    """The name that fits an observation's shape: "nature" for images (C, H, W), "mlp" for all else."""
    return "nature" if len(shape) == 3 and min(shape[1:]) >= 36 else "mlp"


def make_trunk(
    name: str,
    shape: tuple[int, ...],
    hidden: Sequence[int],
    *,
    initial: InitialWeights = "fan_in",
    generator: torch.Generator | None = None,
) -> MLP | NatureTrunk | FourierBasis:
    """The named trunk for observations of `shape`; `hidden` are the widths of its fully connected layers.

    The Nature trunk takes exactly one width (512 in the paper), the MLP any number of them; the Fourier basis one,
    its number of features.
    """
    if name == "mlp":
        return MLP(math.prod(shape), hidden, initial=initial, generator=generator)
    if name == "fourier" and len(hidden) == 1:
        return FourierBasis(math.prod(shape), hidden[0])
    if name == "nature":
        if len(shape) != 3:
            raise UserError(f"network 'nature' needs image observations (C, H, W), got shape {shape}: use 'mlp'")
        if len(hidden) != 1:
            raise UserError(f"network 'nature' has one hidden layer (512 in the paper), got {list(hidden)}")
        return NatureTrunk((shape[0], shape[1], shape[2]), hidden[0], initial=initial, generator=generator)
    raise UserError(f"unknown network {name!r}: {nearest(name, TRUNKS)}")
