"""Op `predecessors` by numba: count, then fill."""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.bellman import Rows, Table
from neuralcore.kernels.predecessors import MANY


def predecessors(transitions: Rows | Table, states: int) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(transitions, Table):
        width = transitions.successors.shape[1]
        bounds = np.arange(0, states * width + 1, width)
        return _turn(bounds, transitions.successors.reshape(-1))
    actions = (len(transitions.indptr) - 1) // states
    return _turn(np.ascontiguousarray(transitions.indptr[::actions]), transitions.indices)


@njit(cache=True, nogil=True)
def _turn(bounds, successors):
    """State s leads to successors[bounds[s]:bounds[s + 1]]."""
    states = len(bounds) - 1
    indptr = np.zeros(states + 1, np.int64)
    for state in range(states):
        for i in range(bounds[state], bounds[state + 1]):
            if _counts(successors, bounds[state], bounds[state + 1], i, state):
                indptr[successors[i] + 1] += 1
    for state in range(states):
        indptr[state + 1] += indptr[state]
    filled = indptr.copy()
    sources = np.empty(indptr[states], np.int32)
    for state in range(states):
        for i in range(bounds[state], bounds[state + 1]):
            if _counts(successors, bounds[state], bounds[state + 1], i, state):
                sources[filled[successors[i]]] = state
                filled[successors[i]] += 1
    return indptr, sources


@njit(cache=True, nogil=True)
def _counts(successors, first, last, i, state):
    """Whether entry i is another state that the row has not named before."""
    successor = successors[i]
    if successor < 0 or successor == state:
        return False
    if last - first <= MANY:
        for j in range(first, i):
            if successors[j] == successor:
                return False
    return True
