"""Op `adam` by numba: a pass for the norm, a pass for the step."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from neuralcore.kernels.norm import norm


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def adam(weights, gradients, means, squares, step, learning_rate, beta1, beta2, epsilon, max_norm):
    length = norm(gradients)
    scale = np.float32(min(1.0, max_norm / length) if length > 0.0 else 1.0)
    keep1, keep2 = np.float32(beta1), np.float32(beta2)
    take1, take2 = np.float32(1 - beta1), np.float32(1 - beta2)
    rate = np.float32(learning_rate / (1 - beta1**step))
    correction = np.float32(1 / math.sqrt(1 - beta2**step))
    least = np.float32(epsilon)
    for k in range(len(weights)):
        w, g, m, v = weights[k], gradients[k], means[k], squares[k]
        for i in range(len(w)):
            x = scale * g[i]
            m[i] = keep1 * m[i] + take1 * x
            v[i] = keep2 * v[i] + take2 * x * x
            w[i] -= rate * m[i] / (np.sqrt(v[i]) * correction + least)
    return length
