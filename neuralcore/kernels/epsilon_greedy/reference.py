"""Op `epsilon_greedy`, the truth: one state after the other."""

from __future__ import annotations

import numpy as np


def epsilon_greedy(q: np.ndarray, states: np.ndarray, epsilon: float, uniforms: np.ndarray) -> np.ndarray:
    actions = np.empty(len(states), dtype=np.int64)
    for i, (state, u) in enumerate(zip(states, uniforms)):
        if not 0 <= state < len(q):
            raise IndexError("a state is not in the table")
        if u < epsilon:
            candidates, share = np.arange(q.shape[1]), u / epsilon
        else:
            candidates, share = np.flatnonzero(q[state] == q[state].max()), (u - epsilon) / (1 - epsilon)
        # Rounding may bring the share to 1.
        actions[i] = candidates[min(int(share * len(candidates)), len(candidates) - 1)]
    return actions
