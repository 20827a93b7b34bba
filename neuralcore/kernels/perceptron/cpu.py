"""Op `perceptron` by numba: one call for all layers, one thread, dot products along rows of the weights."""

from __future__ import annotations

import numpy as np
from numba import njit


def perceptron(
    x: np.ndarray, weights: tuple[np.ndarray, ...], biases: tuple[np.ndarray, ...], heads: int
) -> np.ndarray:
    return _forward(x, weights, biases, heads)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dense(x, weight, bias, y, first, rectify):
    """Columns of `y` from `first` on: the layer's outputs for all rows."""
    for o in range(weight.shape[0]):
        # A row of the weights serves four rows of x at a time: it is read from the cache a fourth as often.
        for b in range(0, x.shape[0], 4):
            if b + 4 <= x.shape[0]:
                s0 = s1 = s2 = s3 = np.float32(0.0)
                for i in range(weight.shape[1]):
                    w = weight[o, i]
                    s0 += x[b, i] * w
                    s1 += x[b + 1, i] * w
                    s2 += x[b + 2, i] * w
                    s3 += x[b + 3, i] * w
                y[b, first + o] = s0 + bias[o]
                y[b + 1, first + o] = s1 + bias[o]
                y[b + 2, first + o] = s2 + bias[o]
                y[b + 3, first + o] = s3 + bias[o]
            else:
                for r in range(b, x.shape[0]):
                    s0 = np.float32(0.0)
                    for i in range(weight.shape[1]):
                        s0 += x[r, i] * weight[o, i]
                    y[r, first + o] = s0 + bias[o]
    if rectify:
        for b in range(x.shape[0]):
            for o in range(weight.shape[0]):
                y[b, first + o] = max(y[b, first + o], np.float32(0.0))


@njit(cache=True, nogil=True)
def _forward(x, weights, biases, heads):
    hidden, count = len(weights) - heads, x.shape[0]
    for index in range(hidden):
        y = np.empty((count, weights[index].shape[0]), np.float32)
        _dense(x, weights[index], biases[index], y, 0, True)
        x = y
    width = 0
    for index in range(hidden, len(weights)):
        width += weights[index].shape[0]
    y, first = np.empty((count, width), np.float32), 0
    for index in range(hidden, len(weights)):
        _dense(x, weights[index], biases[index], y, first, False)
        first += weights[index].shape[0]
    return y
