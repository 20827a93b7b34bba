"""Op `adam` in NumPy."""

from __future__ import annotations

import math

import numpy as np

from neuralcore.shape import Arrays


def adam(
    weights: Arrays,
    gradients: Arrays,
    means: Arrays,
    squares: Arrays,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    max_norm: float,
) -> float:
    norm = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients))
    scale = min(1.0, max_norm / norm) if norm > 0.0 else 1.0
    for w, g, m, v in zip(weights, gradients, means, squares):
        m[:] = beta1 * m + (1 - beta1) * scale * g
        v[:] = beta2 * v + (1 - beta2) * np.square(scale * g)
        w -= learning_rate / (1 - beta1**step) * m / (np.sqrt(v / (1 - beta2**step)) + epsilon)
    return norm
