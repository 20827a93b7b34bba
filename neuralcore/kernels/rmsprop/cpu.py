"""Op `rmsprop` by numba: a pass for the norm, a pass for the step."""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.norm import norm
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
    step = _centred if means else _plain
    return step(weights, gradients, squares, means or squares, learning_rate, decay, epsilon, max_norm)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _plain(weights, gradients, squares, _, learning_rate, decay, epsilon, max_norm):
    length = norm(gradients)
    scale = np.float32(min(1.0, max_norm / length) if length > 0.0 else 1.0)
    rate, keep, take, least = np.float32(learning_rate), np.float32(decay), np.float32(1 - decay), np.float32(epsilon)
    for k in range(len(weights)):
        w, g, v = weights[k], gradients[k], squares[k]
        for i in range(len(w)):
            x = scale * g[i]
            v[i] = keep * v[i] + take * x * x
            w[i] -= rate * x / (np.sqrt(v[i]) + least)
    return length


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _centred(weights, gradients, squares, means, learning_rate, decay, epsilon, max_norm):
    length = norm(gradients)
    scale = np.float32(min(1.0, max_norm / length) if length > 0.0 else 1.0)
    rate, keep, take, least = np.float32(learning_rate), np.float32(decay), np.float32(1 - decay), np.float32(epsilon)
    for k in range(len(weights)):
        w, g, v, m = weights[k], gradients[k], squares[k], means[k]
        for i in range(len(w)):
            x = scale * g[i]
            v[i] = keep * v[i] + take * x * x
            m[i] = keep * m[i] + take * x
            # Rounding can make the variance of a constant gradient a little less than 0.
            w[i] -= rate * x / (np.sqrt(max(v[i] - m[i] * m[i], np.float32(0.0))) + least)
    return length
