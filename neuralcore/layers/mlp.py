"""The multi-layer perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from neuralcore.layers.initial import InitialWeights, set_initial
from neuralcore.layers.rectified import Apply, rectified
from neuralcore.shape import match_shape


class MLP(nn.Module):
    """Linear layers with a ReLU after each: a trunk, so the last width is a feature width, not an output.

    Args:
        inputs: width of one flattened observation.
        hidden: widths of the layers; empty gives the flattened input itself (a linear model once a head follows).
        initial: how the first weights are drawn, see `neuralcore.layers.initial`. generator: they come from it.

    Attributes:
        features: width of the output.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        *,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        widths = [inputs, *hidden]
        self.inputs, self.features = inputs, widths[-1]
        layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
        for layer in layers:
            set_initial(layer, initial, generator)
        self.layers = nn.ModuleList(layers)

    def forward(self, observations: torch.Tensor, apply: Apply = rectified) -> torch.Tensor:
        """(B, …) numbers, flattened to (B, inputs) -> (B, features), each layer by `apply`."""
        x = observations.flatten(1).float()
        match_shape(x, -1, self.inputs, name="observations")
        for layer in self.layers:
            x = apply(layer, x)
        return x
