"""Op `returns` by numba: rows from the last to the first, the environments of a row side by side in memory."""

from __future__ import annotations

import numpy as np
from numba import njit


def returns(
    rewards: np.ndarray,
    values: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    transition: np.ndarray,
    discount: float,
    trace: float,
) -> tuple[np.ndarray, np.ndarray]:
    advantages, sums = np.empty_like(rewards), np.empty_like(rewards)
    _estimate(rewards, values, terminated, truncated, transition, discount, trace, advantages, sums)
    return advantages, sums


@njit(cache=True, nogil=True)
def _estimate(rewards, values, terminated, truncated, transition, discount, trace, advantages, sums):
    steps, count = rewards.shape
    after = np.zeros(count)
    for t in range(steps - 1, -1, -1):
        for i in range(count):
            advantage, value = 0.0, np.float64(values[t, i])
            if transition[t, i]:
                advantage = np.float64(rewards[t, i]) - value
                if not terminated[t, i]:
                    advantage += discount * np.float64(values[t + 1, i])
                    if not truncated[t, i]:
                        advantage += discount * trace * after[i]
            after[i] = advantage
            advantages[t, i] = advantage
            sums[t, i] = advantage + value
