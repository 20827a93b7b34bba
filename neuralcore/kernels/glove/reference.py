"""The truth in NumPy: one co-occurrence after the other."""

from __future__ import annotations

import math

import numpy as np

from neuralcore.kernels.glove import POWER, Factor


def glove(
    inputs: Factor,
    outputs: Factor,
    rows: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
    learning_rate: float,
    x_max: float,
) -> float:
    """As `neuralcore.kernels.glove.glove`."""
    loss = 0.0
    for i, j, x in zip(rows.tolist(), columns.tolist(), values.tolist()):
        diff = float(inputs.vectors[i] @ outputs.vectors[j] + inputs.biases[i] + outputs.biases[j]) - math.log(x)
        weighted = min((x / x_max) ** POWER, 1.0) * diff
        loss += weighted * diff / 2
        gradients = [
            (inputs.vectors, inputs.vector_state, i, weighted * outputs.vectors[j]),
            (outputs.vectors, outputs.vector_state, j, weighted * inputs.vectors[i]),
            (inputs.biases, inputs.bias_state, i, weighted),
            (outputs.biases, outputs.bias_state, j, weighted),
        ]
        for parameters, state, row, gradient in gradients:
            parameters[row] -= learning_rate * gradient / np.sqrt(state[row])
            state[row] += (learning_rate * gradient) ** 2
    return loss
