"""Op `sum_tree_find`, the truth: one mass after the other, from the root to its leaf."""

from __future__ import annotations

import numpy as np


def sum_tree_find(tree: np.ndarray, masses: np.ndarray) -> np.ndarray:
    first = len(tree) // 2
    leaves = np.empty(len(masses), dtype=np.int64)
    for b, mass in enumerate(masses):
        node = 1
        while node < first:
            node *= 2  # the left child; the right one is next to it
            if mass >= tree[node] and tree[node + 1] > 0.0:
                mass -= tree[node]
                node += 1
        leaves[b] = node - first
    return leaves
