"""Op `bellman` by numba: ranges of states on threads, each state's outcomes summed in their own order.

A sweep is bound by memory traffic, so the residual is taken along in the same pass. Sums never cross threads, so the
bytes do not depend on how many there are. The threads are Python's own, as the compiled loop holds no lock: numba's
`prange` spins on OpenMP barriers, which on a machine that is busy with something else made a sweep of 2 ms take 18.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
    policy: np.ndarray | None,
    out: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, float, float]:
    states, actions = rewards.shape
    outcomes = transitions[0].size if isinstance(transitions, Table) else len(transitions.indices)
    if policy is not None:
        swept = np.empty_like(values) if out is None else out[0]
        follow = _follow_table if isinstance(transitions, Table) else _follow_rows
        lowest, highest = _on_threads(
            follow, outcomes // actions, *transitions, rewards, values, float(discount), policy, swept
        )
        return swept, None, policy, lowest, highest
    swept, q, best = (
        (np.empty_like(values), np.empty_like(rewards), np.empty(states, np.int32)) if out is None else out
    )
    sweep = _sweep_table if isinstance(transitions, Table) else _sweep_rows
    lowest, highest = _on_threads(sweep, outcomes, *transitions, rewards, values, float(discount), swept, q, best)
    return swept, q, best, lowest, highest


def _on_threads(sweep: Callable[..., tuple[float, float]], outcomes: int, *arrays: Any) -> tuple[float, float]:
    """Sweep ranges of states; (least, greatest) change of all."""
    states = len(arrays[-1])
    threads = max(1, min(cpu_count(), outcomes // OUTCOMES_A_THREAD))
    if threads == 1:
        return sweep(0, states, *arrays)
    bounds = np.linspace(0, states, threads + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(threads) as pool:
        changes = list(pool.map(lambda first, last: sweep(first, last, *arrays), bounds[:-1], bounds[1:]))
    return min(low for low, _ in changes), max(high for _, high in changes)


@njit(cache=True, nogil=True)
def _sweep_rows(first, last, indptr, indices, probabilities, rewards, values, discount, swept, q, policy):
    """Sweep the states first … last-1; returns their least and greatest change."""
    actions = rewards.shape[1]
    lowest, highest = np.inf, -np.inf
    for state in range(first, last):
        best, chosen = -np.inf, 0
        for action in range(actions):
            row = state * actions + action
            value = rewards[state, action] + discount * _expected(indptr, indices, probabilities, values, row)
            q[state, action] = value
            if value > best:
                best, chosen = value, action
        swept[state], policy[state] = best, chosen
        lowest, highest = min(lowest, best - values[state]), max(highest, best - values[state])
    return lowest, highest


@njit(cache=True, nogil=True)
def _follow_rows(first, last, indptr, indices, probabilities, rewards, values, discount, policy, swept):
    """The same with the policy's actions alone."""
    actions = rewards.shape[1]
    lowest, highest = np.inf, -np.inf
    for state in range(first, last):
        row = state * actions + policy[state]
        value = rewards[state, policy[state]] + discount * _expected(indptr, indices, probabilities, values, row)
        swept[state] = value
        lowest, highest = min(lowest, value - values[state]), max(highest, value - values[state])
    return lowest, highest


@njit(inline="always")
def _expected(indptr, indices, probabilities, values, row):
    expected = 0.0
    # Unsigned, because for signed indices numba first asks whether they count from the end: a third slower.
    for outcome in range(uint64(indptr[row]), uint64(indptr[row + 1])):
        expected += probabilities[outcome] * values[uint64(indices[outcome])]
    return expected


@njit(cache=True, nogil=True)
def _sweep_table(first, last, successors, weights, rewards, values, discount, swept, q, policy):
    """Sweep the states first … last-1; returns their least and greatest change."""
    actions, width = weights.shape
    nearby = np.empty(width)  # the values around a state
    lowest, highest = np.inf, -np.inf
    for state in range(first, last):
        for d in range(width):
            successor = successors[state, d]
            nearby[d] = values[uint64(successor)] if successor >= 0 else 0.0
        best, chosen = -np.inf, 0
        for action in range(actions):
            expected = 0.0
            for d in range(width):
                expected += weights[action, d] * nearby[d]
            value = rewards[state, action] + discount * expected
            q[state, action] = value
            if value > best:
                best, chosen = value, action
        swept[state], policy[state] = best, chosen
        lowest, highest = min(lowest, best - values[state]), max(highest, best - values[state])
    return lowest, highest


@njit(cache=True, nogil=True)
def _follow_table(first, last, successors, weights, rewards, values, discount, policy, swept):
    """The same with the policy's actions alone."""
    lowest, highest = np.inf, -np.inf
    for state in range(first, last):
        action, expected = policy[state], 0.0
        for d in range(weights.shape[1]):
            successor = successors[state, d]
            expected += weights[action, d] * (values[uint64(successor)] if successor >= 0 else 0.0)
        value = rewards[state, action] + discount * expected
        swept[state] = value
        lowest, highest = min(lowest, value - values[state]), max(highest, value - values[state])
    return lowest, highest
