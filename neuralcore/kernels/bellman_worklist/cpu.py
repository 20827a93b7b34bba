"""Op `bellman_worklist` by numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.bellman import Rows, Table
from neuralcore.kernels.bellman_in_place.cpu import arrays, backup
from neuralcore.kernels.predecessors import Predecessors


def bellman_worklist(
    transitions: Rows | Table,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    predecessors: Predecessors,
    told: np.ndarray,
    dirty: np.ndarray,
    tolerance: float,
    block: int,
    window: int,
    max_backups: int,
) -> tuple[int, float, int]:
    model = *arrays(transitions), rewards, values, float(discount), *predecessors
    return _work(*model, told, dirty, tolerance, block, window, max_backups)


@njit(cache=True, nogil=True, error_model="numpy")
def _work(
    a,
    b,
    weights,
    width,
    rewards,
    values,
    discount,
    indptr,
    sources,
    told,
    dirty,
    tolerance,
    block,
    window,
    max_backups,
):
    nearby = np.empty(width)
    states, actions = rewards.shape
    backups, change, first = 0, 0.0, 0
    while backups < max_backups:
        while first < len(dirty) and not dirty[first]:
            first += 1
        if first == len(dirty):
            break
        begin, end = first, min(first + window, len(dirty))
        for here in range(begin, end):
            if not dirty[here]:
                continue
            dirty[here] = False
            for state in range(here * block, min((here + 1) * block, states)):
                new = backup(a, b, weights, nearby, rewards, values, discount, state, 0, actions)
                backups += 1
                change = max(change, abs(new - values[state]))
                values[state] = new
                if abs(new - told[state]) > tolerance:
                    told[state] = new
                    for k in range(indptr[state], indptr[state + 1]):
                        upset = sources[k] // block
                        dirty[upset] = True
                        first = min(first, upset)
    while first < len(dirty) and not dirty[first]:
        first += 1
    return backups, change, first
