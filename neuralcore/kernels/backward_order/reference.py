"""The truth of op `backward_order`: one list a layer."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.predecessors import Predecessors


def backward_order(predecessors: Predecessors, sources: np.ndarray) -> tuple[np.ndarray, int, int]:
    layer = np.flatnonzero(sources).tolist()
    order, seen, layers = list(layer), set(layer), 0
    while layer:
        layers += 1
        nearest = []
        for state in layer:
            for source in predecessors.sources[predecessors.indptr[state] : predecessors.indptr[state + 1]].tolist():
                if source not in seen:
                    seen.add(source)
                    nearest.append(source)
        order += nearest
        layer = nearest
    rest = [state for state in range(len(sources)) if state not in seen]
    return np.array(order + rest, np.int32), len(order), layers
