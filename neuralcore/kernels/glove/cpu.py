"""Op `glove` by numba: sixteen numbers at a time, and the rows of a later co-occurrence on their way from memory.

A step reads and writes four rows and divides by as many roots; with `over_root` it waits for memory, not for
the arithmetic. Logarithms and weights of all co-occurrences are taken beforehand, by NumPy's vectorised loops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit

from neuralcore.kernels.alignment import LANES, aligned
from neuralcore.kernels.glove import POWER, Factor
from neuralcore.kernels.lanes import (
    added,
    fma,
    load,
    multiply,
    over_root,
    prefetch,
    splat,
    store,
    subtract,
)

AHEAD = 2  # co-occurrences between asking for rows and working on them


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
    width = inputs.vectors.shape[1]
    if width % LANES == 0:
        weights = np.minimum((values / np.float32(x_max)) ** np.float32(POWER), np.float32(1))
        return _kernel(width)(*inputs, *outputs, rows, columns, np.log(values), weights, np.float32(learning_rate))
    # Rows that are no whole number of cache lines are brought to one and back: right, and slow.
    padded = [_padded(factor) for factor in (inputs, outputs)]
    loss = glove(padded[0], padded[1], rows, columns, values, learning_rate, x_max)
    for factor, wide in zip((inputs, outputs), padded):
        factor.vectors[:], factor.vector_state[:] = wide.vectors[:, :width], wide.vector_state[:, :width]
    return loss


def _padded(factor: Factor) -> Factor:
    """The same, in rows of whole cache lines; what is added is 0, and its state 1."""
    words, width = factor.vectors.shape
    vectors, state = (aligned(words, -(-width // LANES) * LANES) for _ in range(2))
    state[:] = 1.0
    vectors[:, :width], state[:, :width] = factor.vectors, factor.vector_state
    return factor._replace(vectors=vectors, vector_state=state)


@cache
def _kernel(P: int) -> Callable[..., float]:
    """The kernel for rows of P numbers, compiled at its first call and cached on disk."""

    @njit(nogil=True, error_model="numpy", cache=True)
    def kernel(
        vectors: np.ndarray,
        biases: np.ndarray,
        vector_state: np.ndarray,
        bias_state: np.ndarray,
        other_vectors: np.ndarray,
        other_biases: np.ndarray,
        other_vector_state: np.ndarray,
        other_bias_state: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        logs: np.ndarray,
        weights: np.ndarray,
        learning_rate: float,
    ) -> float:
        loss = 0.0
        for e in range(len(rows)):
            if e + AHEAD < len(rows):
                i, j = rows[e + AHEAD], columns[e + AHEAD]
                for k in range(0, P, LANES):
                    prefetch(vectors, i, k)
                    prefetch(other_vectors, j, k)
                    prefetch(vector_state, i, k)
                    prefetch(other_vector_state, j, k)
            i, j = rows[e], columns[e]
            dot = splat(np.float32(0))
            for k in range(0, P, LANES):
                dot = fma(load(vectors, i, k), load(other_vectors, j, k), dot)
            diff = added(dot) + biases[i] + other_biases[j] - logs[e]
            loss += 0.5 * float(weights[e] * diff) * float(diff)
            step = learning_rate * weights[e] * diff
            rate = splat(step)
            for k in range(0, P, LANES):
                a, b = load(vectors, i, k), load(other_vectors, j, k)
                state, other_state = load(vector_state, i, k), load(other_vector_state, j, k)
                for_a, for_b = multiply(rate, b), multiply(rate, a)
                store(vectors, i, k, subtract(a, over_root(for_a, state)))
                store(other_vectors, j, k, subtract(b, over_root(for_b, other_state)))
                store(vector_state, i, k, fma(for_a, for_a, state))
                store(other_vector_state, j, k, fma(for_b, for_b, other_state))
            biases[i] -= step / math.sqrt(bias_state[i])
            other_biases[j] -= step / math.sqrt(other_bias_state[j])
            bias_state[i] += step * step
            other_bias_state[j] += step * step
        return loss

    return kernel
