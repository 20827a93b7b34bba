"""Op `transducer` by numba: β of an example is kept, α of one frame, and gradients are made on the way."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def transducer(blank, symbol, frames, lengths):
    count, steps, nodes = blank.shape
    losses = np.empty(count, blank.dtype)
    of_blank, of_symbol = np.zeros_like(blank), np.zeros_like(symbol)
    beta = np.empty((steps + 1, nodes))
    alpha = np.empty(nodes)
    for row in range(count):
        last, length = frames[row], lengths[row]
        skip, emit = blank[row], symbol[row]
        beta[last, :length] = -np.inf
        beta[last, length] = 0.0
        for t in range(last - 1, -1, -1):
            beta[t, length] = beta[t + 1, length] + skip[t, length]
            for u in range(length - 1, -1, -1):
                beta[t, u] = added(beta[t + 1, u] + skip[t, u], beta[t, u + 1] + emit[t, u])
        whole = beta[0, 0]
        losses[row] = -whole
        alpha[:] = -np.inf
        alpha[0] = 0.0
        for t in range(last):  # alpha has what comes by ∅ from the frame before
            for u in range(length + 1):
                here = alpha[u] - whole
                if u < length:
                    of_symbol[row, t, u] = -math.exp(here + emit[t, u] + beta[t, u + 1])
                    alpha[u + 1] = added(alpha[u + 1], alpha[u] + emit[t, u])
                of_blank[row, t, u] = -math.exp(here + skip[t, u] + beta[t + 1, u])
                alpha[u] += skip[t, u]
    return losses, of_blank, of_symbol


@njit(cache=True, nogil=True, inline="always")
def added(a, b):
    """log(exp(a) + exp(b))."""
    high, low = max(a, b), min(a, b)
    if low == -np.inf:
        return high
    return high + math.log1p(math.exp(low - high))
