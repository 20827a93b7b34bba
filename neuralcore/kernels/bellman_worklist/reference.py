"""The truth of op `bellman_worklist`, state by state."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.bellman import Rows, Table
from neuralcore.kernels.bellman_in_place.reference import backup
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
    states, actions = rewards.shape
    backups, change = 0, 0.0
    while dirty.any() and backups < max_backups:
        first = int(dirty.argmax())
        for here in range(first, min(first + window, len(dirty))):
            if not dirty[here]:
                continue
            dirty[here] = False
            for state in range(here * block, min((here + 1) * block, states)):
                new = max(backup(transitions, rewards, values, discount, state, a) for a in range(actions))
                backups, change = backups + 1, max(change, abs(new - values[state]))
                values[state] = new
                if abs(new - told[state]) > tolerance:
                    told[state] = new
                    for k in range(predecessors.indptr[state], predecessors.indptr[state + 1]):
                        dirty[predecessors.sources[k] // block] = True
    return backups, change, int(dirty.argmax()) if dirty.any() else len(dirty)
