"""Op `sum_tree_find` by numba: all masses one level down, then the next level.

A large tree does not fit in the cache. Level by level the reads of different masses do not wait for each other.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64


@njit(cache=True, nogil=True)
def sum_tree_find(tree: np.ndarray, masses: np.ndarray) -> np.ndarray:
    first = len(tree) // 2
    leaves = np.ones(len(masses), dtype=np.int64)  # nodes on the way, the root to begin with
    left_over = masses.copy()
    level = 1
    while level < first:
        for b in range(len(masses)):
            node = uint64(2) * uint64(leaves[b])
            left = tree[node]
            goes_right = left_over[b] >= left and tree[node + uint64(1)] > 0.0
            if goes_right:
                left_over[b] -= left
                node += uint64(1)
            leaves[b] = node
        level *= 2
    return leaves - first
