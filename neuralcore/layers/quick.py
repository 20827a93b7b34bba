"""What a small network gives for few observations, without torch's cost of a call: for acting step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from neuralcore.kernels.perceptron import perceptron
from neuralcore.layers.mlp import MLP
from neuralcore.shape import Arrays

MOST_ROWS = 32  # with more, torch's matrix products win back what a call of them costs


class QuickHeads:
    """The heads over an MLP, by op `perceptron`, on the weights themselves: every gradient step shows at once."""

    def __init__(self, trunk: MLP, heads: Sequence[nn.Linear]):
        self._layers = [*trunk.layers, *heads]
        self._heads = len(heads)
        self._address = 0  # of the first layer's weights, which tells whether they were moved
        self._weights: Arrays = ()
        self._biases: Arrays = ()

    def suits(self, rows: int) -> bool:
        """Whether it is the quicker way here: few rows, weights on the CPU, full precision."""
        return rows <= MOST_ROWS and not self._layers[0].weight.is_cuda and not torch.is_autocast_enabled("cpu")

    def __call__(self, observations: torch.Tensor) -> np.ndarray:
        """(B, …) numbers, flattened -> (B, O) float32, all heads' outputs side by side."""
        address = self._layers[0].weight.data_ptr()
        if address != self._address:
            self._weights = tuple(layer.weight.detach().numpy() for layer in self._layers)
            self._biases = tuple(layer.bias.detach().numpy() for layer in self._layers)
            self._address = address
        return perceptron(observations.flatten(1).float().numpy(), self._weights, self._biases, self._heads)


def quick_heads(trunk: nn.Module, *heads: nn.Linear | None) -> QuickHeads | None:
    """For those heads that there are, where the trunk is an MLP; else None."""
    return QuickHeads(trunk, [head for head in heads if head is not None]) if isinstance(trunk, MLP) else None
