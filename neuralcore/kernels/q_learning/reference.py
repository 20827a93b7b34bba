"""Op `q_learning` in NumPy."""

from __future__ import annotations

import numpy as np


def q_learning(
    q_tm1: np.ndarray,
    action_tm1: np.ndarray,
    reward_t: np.ndarray,
    discount_t: np.ndarray,
    q_target_t: np.ndarray,
    q_selector_t: np.ndarray,
    weight: np.ndarray,
    clip: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.arange(len(q_tm1))
    target = reward_t + discount_t * q_target_t[rows, q_selector_t.argmax(axis=1)]
    errors = target - q_tm1[rows, action_tm1]
    clipped = errors.clip(-clip, clip)
    gradient = np.zeros_like(q_tm1)
    gradient[rows, action_tm1] = -weight * clipped / len(q_tm1)
    # Within the limit clipped is e, beyond it |clipped| is c: both cases of Huber's loss in one.
    return errors, weight * np.abs(clipped) * (np.abs(errors) - 0.5 * np.abs(clipped)), gradient
