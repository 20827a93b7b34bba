"""Op `sum_tree_update` by numba: one leaf after the other, and the path from each to the root.

A node that several paths share is summed by each of them; the last to come by finds both children as they will stay.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64


@njit(cache=True, nogil=True)
def sum_tree_update(tree: np.ndarray, leaves: np.ndarray, priorities: np.ndarray) -> None:
    first = uint64(len(tree) // 2)
    for b in range(len(leaves)):
        tree[first + uint64(leaves[b])] = priorities[b]
    for b in range(len(leaves)):
        node = (first + uint64(leaves[b])) // uint64(2)
        while node > 0:
            tree[node] = tree[uint64(2) * node] + tree[uint64(2) * node + uint64(1)]
            node //= uint64(2)
