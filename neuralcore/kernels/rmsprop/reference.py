"""Op `rmsprop` in NumPy."""

from __future__ import annotations

import math

import numpy as np

from neuralcore.shape import Arrays


def rmsprop(
    weights: Arrays,
    gradients: Arrays,
    squares: Arrays,
    means: Arrays,
    learning_rate: float,
    decay: float,
    epsilon: float,
    max_norm: float,
) -> float:
    norm = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients))
    scale = min(1.0, max_norm / norm) if norm > 0.0 else 1.0
    for k, (w, g, v) in enumerate(zip(weights, gradients, squares)):
        v[:] = decay * v + (1 - decay) * np.square(scale * g)
        variance = v.copy()
        if means:
            means[k][:] = decay * means[k] + (1 - decay) * scale * g
            variance = np.maximum(v - np.square(means[k]), 0.0)
        w -= learning_rate * scale * g / (np.sqrt(variance) + epsilon)
    return norm
