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
        generator: initial weights come from it, see `fan_in_uniform`.

    Attributes:
        features: width of the output.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], *, generator: torch.Generator | None = None):
        super().__init__()
        widths = [inputs, *hidden]
        self.inputs, self.features = inputs, widths[-1]
        layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
        for layer in layers:
            fan_in_uniform(layer, generator)
        self.layers = nn.ModuleList(layers)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, …) numbers, flattened to (B, inputs) -> (B, features)."""
        x = observations.flatten(1).float()
        match_shape(x, -1, self.inputs, name="observations")
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


def fan_in_uniform(layer: nn.Linear | nn.Conv2d, generator: torch.Generator | None = None) -> None:
    """Weights and biases uniform within ±1/sqrt(fan-in) (LeCun et al. 1998, section 4.6), drawn from `generator`.

    It is what the code of Mnih et al. (2015) used, and torch's own default, which draws from the global generator.
    """
    bound = layer.weight[0].numel() ** -0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        if layer.bias is not None:
            layer.bias.uniform_(-bound, bound, generator=generator)
