"""Op `q_learning` by numba: one pass over the transitions."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def q_learning(q_tm1, action_tm1, reward_t, discount_t, q_target_t, q_selector_t, weight, clip):
    batch, actions = q_tm1.shape
    errors, losses = np.empty(batch, np.float32), np.empty(batch, np.float32)
    gradient = np.zeros((batch, actions), np.float32)
    half, limit = np.float32(0.5), np.float32(clip)
    for b in range(batch):
        best = 0
        for a in range(1, actions):
            if q_selector_t[b, a] > q_selector_t[b, best]:
                best = a
        error = reward_t[b] + discount_t[b] * q_target_t[b, best] - q_tm1[b, action_tm1[b]]
        clipped = min(max(error, -limit), limit)
        errors[b] = error
        losses[b] = weight[b] * abs(clipped) * (abs(error) - half * abs(clipped))
        gradient[b, action_tm1[b]] = -weight[b] * clipped / np.float32(batch)
    return errors, losses, gradient
