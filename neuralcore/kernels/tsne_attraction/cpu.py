"""numba: a row at a time."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def tsne_attraction(Y, offsets, columns, values):
    """As `neuralcore.kernels.tsne_attraction.tsne_attraction`."""
    out = np.empty_like(Y)
    for i in range(len(Y)):
        x, y, fx, fy = Y[i, 0], Y[i, 1], 0.0, 0.0
        for e in range(offsets[i], offsets[i + 1]):
            dx, dy = x - Y[columns[e], 0], y - Y[columns[e], 1]
            weight = values[e] / (1.0 + dx * dx + dy * dy)
            fx += weight * dx
            fy += weight * dy
        out[i, 0], out[i, 1] = fx, fy
    return out
