"""How an agent that learns tries what it does not know yet."""

from __future__ import annotations

import numpy as np


def epsilon_greedy(greedy: np.ndarray, actions: int, epsilon: float, generator: np.random.Generator) -> np.ndarray:
    """Each greedy action, or with probability `epsilon` a uniform one (Sutton & Barto, section 2.2).

    Args:
        greedy: (N,) actions. actions: their number A. epsilon: in [0, 1].

    Returns:
        (N,) int64.
    """
    explore = generator.random(len(greedy)) < epsilon
    return np.where(explore, generator.integers(actions, size=len(greedy)), greedy)
