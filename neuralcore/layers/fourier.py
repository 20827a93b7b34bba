"""The Fourier basis: fixed features that make a linear model of a few numbers a smooth one."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.shape import match_shape


class FourierBasis(nn.Module):
    """Cosines of all frequencies up to an order (Konidaris, Osentoski & Thomas 2011, Value function approximation in
    reinforcement learning using the Fourier basis, eq. 4): φ_c(x) = cos(π c·x), c in {0, …, order}^inputs.

    Nothing in it is learned. x is an observation scaled to [0, 1] by `low` and `high` and clipped there; both are
    buffers, kept with the weights.

    Args:
        inputs: numbers in one flattened observation.
        features: (order + 1)^inputs, for an order of 1 or more; the first is the constant.

    Attributes:
        low, high: (inputs,) float32 bounds; 0 and 1 until they are set.
        frequencies: (features, inputs) float32, the vectors c.
    """

    low: torch.Tensor
    high: torch.Tensor
    frequencies: torch.Tensor

    def __init__(self, inputs: int, features: int):
        super().__init__()
        order = round(features ** (1 / inputs)) - 1
        if order < 1 or (order + 1) ** inputs != features:
            raise UserError(f"a Fourier basis of {inputs} numbers has (order + 1)^{inputs} features, not {features}")
        self.inputs, self.features, self.order = inputs, features, order
        vectors = list(itertools.product(range(order + 1), repeat=inputs))
        self.register_buffer("low", torch.zeros(inputs))
        self.register_buffer("high", torch.ones(inputs))
        self.register_buffer("frequencies", torch.tensor(vectors, dtype=torch.float32), persistent=False)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, …) numbers, flattened to (B, inputs) -> (B, features) in [-1, 1]."""
        x = observations.flatten(1).float()
        match_shape(x, -1, self.inputs, name="observations")
        scaled = ((x - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
        return torch.cos(torch.pi * scaled @ self.frequencies.T)
