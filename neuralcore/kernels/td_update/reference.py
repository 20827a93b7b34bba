"""Op `td_update`, the truth: the loop of the formula."""

from __future__ import annotations

import numpy as np


def td_update(
    q: np.ndarray,
    visits: np.ndarray,
    states: np.ndarray,
    actions: np.ndarray,
    targets: np.ndarray,
    rate: float,
    power: float,
) -> tuple[float, float]:
    error_sum = value_sum = 0.0
    for s, a, target in zip(states, actions, targets):
        visits[s, a] += 1
        error = target - q[s, a]
        q[s, a] += rate * float(visits[s, a]) ** -power * error
        error_sum += abs(error)
        value_sum += q[s, a]
    return float(error_sum), float(value_sum)
