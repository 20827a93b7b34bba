"""Op `td_update`: move entries of a table of action values towards targets, one after the other, in place.

For i = 0 … B-1, with (s, a) = (states_i, actions_i):

    visits(s, a) += 1
    q(s, a) += rate · visits(s, a)^-power · (targets_i - q(s, a))

One after the other, because a pair may be named many times: thousands of environments in one state, each moving the
value they found together, would overshoot the target as many times over. Axes: S states, A actions, B updates.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def td_update(
    q: np.ndarray,
    visits: np.ndarray,
    states: np.ndarray,
    actions: np.ndarray,
    targets: np.ndarray,
    rate: float,
    *,
    power: float = 0.0,
    implementation: kernels.Implementation = "auto",
) -> tuple[float, float]:
    """Change `q` and `visits` in place.

    Args:
        q: (S, A) float64.
        visits: (S, A) int64, how often each pair has been updated.
        states: (B,) int64 in 0 … S-1. actions: (B,) int64 in 0 … A-1 (neither checked here).
        targets: (B,) float64.
        rate: step size. power: how it falls with the visits; 0 leaves it as it is, 1 with rate 1 gives means.
        implementation: "reference", "cpu" or "auto", which is the latter.

    Returns:
        Two sums over the B updates: |target - q(s, a)| before each, and q(s, a) after each.

    Raises:
        ValueError: a shape does not fit.
    """
    # Called at every step, where `match_shape` would cost more than the update: it is asked for its message alone.
    if not (q.shape == visits.shape and states.shape == actions.shape == targets.shape and targets.ndim == 1):
        match_shape(visits, *match_shape(q, -1, -1, name="q"), name="visits")
        match_shape(actions, *match_shape(states, -1, name="states"), name="actions")
        match_shape(targets, *states.shape, name="targets")
    update = kernels.implementation("td_update", implementation, q)
    return update(q, visits, states, actions, targets, rate, power)
