"""Op `bellman` by numba: blocks of states in parallel, each state's outcomes summed in their own order.

A sweep is bound by memory traffic (16 bytes an outcome and its value), so the residual is taken along in the same
pass. Sums never cross threads, so the bytes do not depend on how many there are.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange, uint64

BLOCK = 4096  # states a thread takes at a time
PARALLEL_FROM = 100_000  # outcomes; below, a sweep is shorter than waking the threads


def bellman(
    indptr: np.ndarray,
    indices: np.ndarray,
    probabilities: np.ndarray,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    out: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray, float]:
    swept, q = (np.empty_like(values), np.empty_like(rewards)) if out is None else out
    sweep = _sweep_blocks if len(indices) >= PARALLEL_FROM else _sweep_all
    residual = sweep(indptr, indices, probabilities, rewards, values, float(discount), swept, q)
    return swept, q, float(residual)


@njit(cache=True, nogil=True)
def _sweep_states(first, last, indptr, indices, probabilities, rewards, values, discount, swept, q):
    """Sweep the states first … last-1; returns their largest change."""
    actions = rewards.shape[1]
    residual = 0.0
    for state in range(first, last):
        best = -np.inf
        for action in range(actions):
            row = state * actions + action
            expected = 0.0
            # Unsigned, because for signed indices numba first asks whether they count from the end: a third slower.
            for outcome in range(uint64(indptr[row]), uint64(indptr[row + 1])):
                expected += probabilities[outcome] * values[uint64(indices[outcome])]
            value = rewards[state, action] + discount * expected
            q[state, action] = value
            best = max(best, value)
        swept[state] = best
        residual = max(residual, abs(best - values[state]))
    return residual


@njit(cache=True, nogil=True)
def _sweep_all(indptr, indices, probabilities, rewards, values, discount, swept, q):
    return _sweep_states(
        0, values.size, indptr, indices, probabilities, rewards, values, discount, swept, q
    )


@njit(cache=True, nogil=True, parallel=True)
def _sweep_blocks(indptr, indices, probabilities, rewards, values, discount, swept, q):
    states = values.size
    blocks = (states + BLOCK - 1) // BLOCK
    residuals = np.empty(blocks)
    for block in prange(blocks):
        first = block * BLOCK
        last = min(first + BLOCK, states)
        residuals[block] = _sweep_states(
            first, last, indptr, indices, probabilities, rewards, values, discount, swept, q
        )
    return residuals.max()
