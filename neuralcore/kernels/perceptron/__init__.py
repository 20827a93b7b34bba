"""Op `perceptron`: what a small multi-layer perceptron with several heads gives, without gradients.

    h_0 = x,   h_l = max(0, h_{l-1} W_l^T + b_l) for each hidden layer,   y = [h_L V_k^T + c_k for each head k]

An agent that acts in a few environments calls its network thousands of times a second, and torch's cost of a call is
then many times the arithmetic. Here it is one call. Axes: B rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def perceptron(
    x: np.ndarray,
    weights: tuple[np.ndarray, ...],
    biases: tuple[np.ndarray, ...],
    heads: int,
    *,
    implementation: kernels.Implementation = "auto",
) -> Any:
    """All heads' outputs side by side.

    Args:
        x: (B, I) float32, C-contiguous as all arrays here.
        weights: of the hidden layers, then of the heads: (outputs, inputs) float32 each, as torch keeps them.
        biases: (outputs,) float32 each.
        heads: how many of these are heads, 1 or more.
        implementation: "reference", "cpu" or "auto".

    Returns:
        (B, O) float32, O the sum of the heads' outputs.

    Raises:
        ValueError: a shape does not fit.
    """
    _, width = match_shape(x, -1, -1, name="x")
    if not 1 <= heads <= len(weights) or len(weights) != len(biases):
        raise ValueError(f"{len(weights)} weights and {len(biases)} biases do not make a network of {heads} heads")
    hidden = len(weights) - heads
    for index, (weight, bias) in enumerate(zip(weights, biases)):
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:  # quicker than match_shape
            match_shape(weight, -1, width, name=f"weights[{index}]")
            match_shape(bias, weight.shape[0], name=f"biases[{index}]")
        width = weight.shape[0] if index < hidden else width
    return kernels.implementation("perceptron", implementation, x)(x, weights, biases, heads)
