"""The multi-layer perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from neuralcore.shape import match_shape


class MLP(nn.Module):
    """Linear layers with a ReLU after each: a trunk, so the last width is a feature width, not an output.

    Args:
        inputs: width of one flattened observation.
        hidden: widths of the layers; empty gives the flattened input itself (a linear model once a head follows).
        generator: initial weights come from it (He et al. 2015, uniform by fan-in; biases zero).

    Attributes:
        features: width of the output.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], *, generator: torch.Generator | None = None):
        super().__init__()
        widths = [inputs, *hidden]
        self.inputs, self.features = inputs, widths[-1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        for layer in self.layers:
            he_uniform(layer, generator)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, …) numbers, flattened to (B, inputs) -> (B, features)."""
        x = observations.flatten(1).float()
        match_shape(x, -1, self.inputs, name="observations")
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


def he_uniform(layer: nn.Module, generator: torch.Generator | None = None, gain: float = 2.0**0.5) -> None:
    """Weights uniform with variance gain² / fan-in, biases zero; draws from `generator`, never the global one."""
    assert isinstance(layer, (nn.Linear, nn.Conv2d))
    fan_in = layer.weight[0].numel()
    bound = gain * (3.0 / fan_in) ** 0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()
