"""Op `td_update` by numba: the same loop, compiled. It is sequential by contract, so there is one thread."""

from __future__ import annotations

import numpy as np
from numba import njit


def td_update(
    q: np.ndarray,
    visits: np.ndarray,
    states: np.ndarray,
    actions: np.ndarray,
    targets: np.ndarray,
    rate: float,
    power: float,
) -> tuple[float, float]:
    return _update(q, visits, states, actions, targets, float(rate), float(power))


@njit(cache=True, nogil=True)
def _update(q, visits, states, actions, targets, rate, power):
    error_sum = value_sum = 0.0
    for i in range(len(targets)):
        s, a = states[i], actions[i]
        visits[s, a] += 1
        error = targets[i] - q[s, a]
        q[s, a] += rate * float(visits[s, a]) ** -power * error
        error_sum += abs(error)
        value_sum += q[s, a]
    return error_sum, value_sum
