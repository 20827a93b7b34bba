"""First weights of a layer, drawn from a generator of one's own where torch would take the global one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

InitialWeights = Literal["fan_in", "orthogonal"]


def fan_in_uniform(layer: nn.Linear | nn.Conv2d, generator: torch.Generator | None = None) -> None:
    """Weights and biases uniform within ±1/sqrt(fan-in) (LeCun et al. 1998, section 4.6), drawn from `generator`.

    It is what the code of Mnih et al. (2015) used, and torch's own default.
    """
    bound = layer.weight[0].numel() ** -0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        if layer.bias is not None:
            layer.bias.uniform_(-bound, bound, generator=generator)


def orthogonal(layer: nn.Linear | nn.Conv2d, generator: torch.Generator | None = None, gain: float = 2**0.5) -> None:
    """Rows orthogonal to each other, `gain` long (Saxe et al. 2014), biases 0.

    With a gain of √2, signals keep their size through layers with a ReLU (He et al. 2015), where those of
    `fan_in_uniform` shrink by √6 a layer.
    """
    with torch.no_grad():
        # Drawn in the usual layout whatever the layer's is: QR of a channels-last weight would draw other numbers.
        rows = torch.empty(layer.weight.shape[0], layer.weight[0].numel())
        nn.init.orthogonal_(rows, gain, generator)
        layer.weight.copy_(rows.view(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.zero_()


def set_initial(
    layer: nn.Linear | nn.Conv2d, how: InitialWeights, generator: torch.Generator | None = None, gain: float = 2**0.5
) -> None:
    """The first weights of a layer, by name; orthogonal rows are `gain` long, which suits a ReLU after them."""
    fan_in_uniform(layer, generator) if how == "fan_in" else orthogonal(layer, generator, gain)


def he_normal(network: nn.Module) -> None:
    """Kernels of all convolutions in a network normal with variance 2 / fan-out, biases 0 (He et al. 2015, eq. 14).

    Fan-out is what one input reaches: kernel x output channels of its group. From torch's global generator.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            reached = layer.weight[0, 0].numel() * layer.out_channels / layer.groups
            nn.init.normal_(layer.weight, std=(2.0 / reached) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
