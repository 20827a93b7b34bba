"""Op `backward_order` by numba: the order itself is the queue of the search."""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.predecessors import Predecessors


def backward_order(predecessors: Predecessors, sources: np.ndarray) -> tuple[np.ndarray, int, int]:
    return _search(*predecessors, sources)


@njit(cache=True, nogil=True)
def _search(indptr, predecessors, sources):
    states = len(sources)
    order = np.empty(states, np.int32)
    seen = sources.copy()
    length = 0
    for state in range(states):
        if sources[state]:
            order[length] = state
            length += 1
    layers, first = 0, 0
    while first < length:
        layers += 1
        last = length
        for i in range(first, last):
            state = order[i]
            for k in range(indptr[state], indptr[state + 1]):
                predecessor = predecessors[k]
                if not seen[predecessor]:
                    seen[predecessor] = True
                    order[length] = predecessor
                    length += 1
        first = last
    reached = length
    for state in range(states):
        if not seen[state]:
            order[length] = state
            length += 1
    return order, reached, layers
