"""Op `bellman_in_place` by numba, and the backup of one state that `bellman_worklist` uses too."""

from __future__ import annotations

import numpy as np
from numba import njit, uint64
from numba.extending import overload

from neuralcore.kernels.bellman import Rows, Table
from neuralcore.kernels.bellman_in_place.reference import ALMOST_SURE


def bellman_in_place(
    transitions: Rows | Table,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    policy: np.ndarray | None,
    backwards: bool,
) -> float:
    followed = np.empty(0, np.int32) if policy is None else policy
    return _sweep(*arrays(transitions), rewards, values, float(discount), followed, backwards)


def arrays(transitions: Rows | Table) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The transitions as three arrays, told apart by the rank of the last, and the width of a table."""
    if isinstance(transitions, Table):
        return transitions.successors, transitions.successors, transitions.weights, transitions.weights.shape[1]
    return *transitions, 0


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep(a, b, weights, width, rewards, values, discount, policy, backwards):
    nearby = np.empty(
        width
    )  # made here, so that it is known to share no memory: handed in, it costs three times more
    states = len(values)
    change = 0.0
    for i in range(states):
        state = states - 1 - i if backwards else i
        first, last = (policy[state], policy[state] + 1) if len(policy) else (0, rewards.shape[1])
        best = backup(a, b, weights, nearby, rewards, values, discount, state, first, last)
        change = max(change, abs(best - values[state]))
        values[state] = best
    return change


def backup(a, b, weights, nearby, rewards, values, discount, state, first, last):
    """The best of the actions first … last-1 in a state, staying settled. Compiled code picks it by storage."""
    raise NotImplementedError


@overload(backup, inline="always")
def _choose(a, b, weights, nearby, rewards, values, discount, state, first, last):
    return _backup_table if weights.ndim == 2 else _backup_rows


def _backup_rows(a, b, weights, nearby, rewards, values, discount, state, first, last):
    indptr, indices, probabilities = a, b, weights
    best = -np.inf
    for action in range(first, last):
        stays, expected = 0.0, 0.0
        row = state * rewards.shape[1] + action
        for outcome in range(uint64(indptr[row]), uint64(indptr[row + 1])):
            successor = indices[outcome]
            if successor == state:
                stays += probabilities[outcome]
            else:
                expected += probabilities[outcome] * values[uint64(successor)]
        best = max(best, _settled(rewards[state, action] + discount * expected, discount * stays, values[state]))
    return best


def _backup_table(a, b, weights, nearby, rewards, values, discount, state, first, last):
    successors = a
    best = -np.inf
    may_stay = False
    for d in range(len(nearby)):
        successor = successors[state, d]
        may_stay |= successor == state
        if successor < 0 or successor == state:
            nearby[d] = 0.0
        else:
            nearby[d] = values[uint64(successor)]
    for action in range(first, last):
        stays, expected = 0.0, 0.0
        for d in range(len(nearby)):
            expected += weights[action, d] * nearby[d]
        if may_stay:
            for d in range(len(nearby)):
                if successors[state, d] == state:
                    stays += weights[action, d]
        best = max(best, _settled(rewards[state, action] + discount * expected, discount * stays, values[state]))
    return best


@njit(inline="always")
def _settled(value, stays, old):
    """An action that leads away from a state for `value` and else, with the weight `stays`, back to it."""
    if stays > ALMOST_SURE:
        return value + stays * old
    if stays > 0.0:
        return value / (1.0 - stays)
    return value
