"""The truth of op `bellman_in_place`: a loop over states, actions and outcomes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neuralcore.kernels.bellman import Rows, Table

ALMOST_SURE = 1 - 1e-9  # discounted probability of staying, from which dividing by the rest would be rounding alone


def bellman_in_place(
    transitions: Rows | Table,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    policy: np.ndarray | None,
    backwards: bool,
) -> float:
    states, actions = rewards.shape
    change = 0.0
    for state in reversed(range(states)) if backwards else range(states):
        choices = range(actions) if policy is None else [int(policy[state])]
        best = max(backup(transitions, rewards, values, discount, state, action) for action in choices)
        change = max(change, abs(best - values[state]))
        values[state] = best
    return change


def backup(
    transitions: Rows | Table, rewards: np.ndarray, values: np.ndarray, discount: float, state: int, action: int
) -> float:
    """What an action is worth when staying has been settled."""
    stays, expected = 0.0, 0.0
    for probability, successor in outcomes(transitions, rewards.shape[1], state, action):
        if successor == state:
            stays += probability
        else:
            expected += probability * values[successor]
    value = rewards[state, action] + discount * expected
    if discount * stays > ALMOST_SURE:
        return value + discount * stays * values[state]
    return value / (1 - discount * stays)


def outcomes(transitions: Rows | Table, actions: int, state: int, action: int) -> Iterator[tuple[float, int]]:
    """(probability, successor) of each outcome that goes on."""
    if isinstance(transitions, Table):
        for weight, successor in zip(transitions.weights[action], transitions.successors[state]):
            if successor >= 0:
                yield float(weight), int(successor)
    else:
        row = state * actions + action
        for outcome in range(transitions.indptr[row], transitions.indptr[row + 1]):
            yield float(transitions.probabilities[outcome]), int(transitions.indices[outcome])
