"""The truth of op `predecessors`: a list for each state."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.bellman import Rows, Table
from neuralcore.kernels.predecessors import MANY


def predecessors(transitions: Rows | Table, states: int) -> tuple[np.ndarray, np.ndarray]:
    lists: list[list[int]] = [[] for _ in range(states)]
    for state in range(states):
        reached = successors(transitions, states, state)
        for successor in reached if len(reached) > MANY else sorted(set(reached)):
            if successor not in (state, -1):
                lists[successor].append(state)
    indptr = np.cumsum([0, *map(len, lists)])
    return indptr, np.array([source for sources in lists for source in sources], np.int32)


def successors(transitions: Rows | Table, states: int, state: int) -> list[int]:
    """Where all actions of a state may lead, in order of storage."""
    if isinstance(transitions, Table):
        return transitions.successors[state].tolist()
    actions = (len(transitions.indptr) - 1) // states
    first, last = transitions.indptr[state * actions], transitions.indptr[(state + 1) * actions]
    return transitions.indices[first:last].tolist()
