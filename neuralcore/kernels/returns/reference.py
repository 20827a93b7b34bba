"""The truth of op `returns`: the recursion, from the last step to the first."""

from __future__ import annotations

import numpy as np


def returns(
    rewards: np.ndarray,
    values: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    transition: np.ndarray,
    discount: float,
    trace: float,
) -> tuple[np.ndarray, np.ndarray]:
    r, v = rewards.astype(np.float64), values.astype(np.float64)
    advantages = np.zeros_like(r)
    after = np.zeros(r.shape[1])
    for t in reversed(range(len(r))):
        delta = r[t] + np.where(terminated[t], 0.0, discount * v[t + 1]) - v[t]
        passed_on = np.where(terminated[t] | truncated[t], 0.0, discount * trace * after)
        after = advantages[t] = np.where(transition[t], delta + passed_on, 0.0)
    return advantages.astype(rewards.dtype), (advantages + v[:-1]).astype(rewards.dtype)
