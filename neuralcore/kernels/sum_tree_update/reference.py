"""Op `sum_tree_update`, the truth: set the leaves, then sum every level of the tree anew."""

from __future__ import annotations

import numpy as np


def sum_tree_update(tree: np.ndarray, leaves: np.ndarray, priorities: np.ndarray) -> None:
    first = len(tree) // 2  # of a level; it has as many nodes
    for leaf, priority in zip(leaves, priorities):
        tree[first + leaf] = priority
    while first > 1:
        children = tree[first : 2 * first]
        first //= 2
        tree[first : 2 * first] = children[0::2] + children[1::2]
