"""Op `epsilon_greedy` by numba: a state's row is read twice, to find the largest value and how often it occurs."""

from __future__ import annotations

import numpy as np
from numba import njit


def epsilon_greedy(q: np.ndarray, states: np.ndarray, epsilon: float, uniforms: np.ndarray) -> np.ndarray:
    return _draw(q, states, float(epsilon), uniforms)


@njit(cache=True, nogil=True)
def _draw(q, states, epsilon, uniforms):
    actions = np.zeros(len(states), np.int64)  # action 0 where no value compares, in a table of NaN
    for i in range(len(states)):
        state, u = states[i], uniforms[i]
        if not 0 <= state < len(q):
            raise IndexError("a state is not in the table")
        if u < epsilon:
            actions[i] = _pick(u / epsilon, q.shape[1])
            continue
        best, ties = q[state, 0], 0
        for a in range(q.shape[1]):
            if q[state, a] > best:
                best, ties = q[state, a], 1
            elif q[state, a] == best:
                ties += 1
        left = _pick((u - epsilon) / (1 - epsilon), ties)
        for a in range(q.shape[1]):
            if q[state, a] == best:
                if left == 0:
                    actions[i] = a
                    break
                left -= 1
    return actions


@njit(cache=True, nogil=True)
def _pick(share, count):
    return min(int(share * count), count - 1)  # rounding may bring the share to 1
