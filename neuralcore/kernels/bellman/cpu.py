"""Op `bellman` by numba: ranges of states on threads, each state's outcomes summed in their own order.

A sweep is bound by memory traffic, so the residual is taken along in the same pass. Sums never cross threads, so the
bytes do not depend on how many there are. The threads are Python's own, as the compiled loop holds no lock: numba's
`prange` spins on OpenMP barriers, which on a machine that is busy with something else made a sweep of 2 ms take 18.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit, uint64

from neuralcore.device import cpu_count
from neuralcore.kernels.bellman import Rows, Table

OUTCOMES_A_THREAD = 300_000  # about a millisecond of work, ten times the cost of a thread


def bellman(
    transitions: Rows | Table,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    out: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray, float]:
    swept, q = (np.empty_like(values), np.empty_like(rewards)) if out is None else out
    if isinstance(transitions, Table):
        sweep, outcomes = _sweep_table, transitions.successors.size
    else:
        sweep, outcomes = _sweep_rows, len(transitions.indices)
    arrays = *transitions, rewards, values, float(discount), swept, q
    threads = max(1, min(cpu_count(), outcomes // OUTCOMES_A_THREAD))
    if threads == 1:
        return swept, q, float(sweep(0, len(values), *arrays))
    bounds = np.linspace(0, len(values), threads + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(threads) as pool:
        residuals = pool.map(lambda first, last: sweep(first, last, *arrays), bounds[:-1], bounds[1:])
    return swept, q, float(max(residuals))


@njit(cache=True, nogil=True)
def _sweep_rows(first, last, indptr, indices, probabilities, rewards, values, discount, swept, q):
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
def _sweep_table(first, last, successors, weights, rewards, values, discount, swept, q):
    """Sweep the states first … last-1; returns their largest change."""
    actions, width = weights.shape
    nearby = np.empty(width)
    residual = 0.0
    for state in range(first, last):
        for d in range(width):
            successor = successors[state, d]
            nearby[d] = values[uint64(successor)] if successor >= 0 else 0.0
        best = -np.inf
        for action in range(actions):
            expected = 0.0
            for d in range(width):
                expected += weights[action, d] * nearby[d]
            value = rewards[state, action] + discount * expected
            q[state, action] = value
            best = max(best, value)
        swept[state] = best
        residual = max(residual, abs(best - values[state]))
    return residual
