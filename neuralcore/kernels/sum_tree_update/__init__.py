"""Op `sum_tree_update`: new priorities for some leaves of a tree of sums, in place.

The tree is one array of 2P float64, P the capacity C up to a power of two: leaf l is tree[P + l], and above them

    tree[i] = tree[2 i] + tree[2 i + 1],        so that tree[1] is the sum of all (tree[0] is not used).

A node is always summed from its two children and never moved by a difference, so the sums do not drift, however many
updates there are: the tree's bytes are a function of its leaves alone. Schaul et al. 2016, appendix B.2.1, describe
the tree; op `sum_tree_find` searches it. Axes: B leaves named.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def sum_tree(capacity: int) -> np.ndarray:
    """A tree for `capacity` leaves, all of priority 0: (2P,) float64, P = capacity up to a power of two."""
    if capacity < 1:
        raise ValueError(f"capacity must be 1 or more, got {capacity}")
    return np.zeros(2 << (capacity - 1).bit_length())


def sum_tree_update(
    tree: Any,
    leaves: Any,
    priorities: Any,
    *,
    implementation: kernels.Implementation = "auto",
) -> None:
    """Set the priorities of leaves and all sums above them, in place.

    Args:
        tree: (2P,) float64, P a power of two.
        leaves: (B,) int64 in 0 … P-1 (not checked here). Of a leaf named more than once the last priority counts.
        priorities: (B,) float64, 0 or more (not checked here).
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `tree` lives.

    Raises:
        ValueError: a shape does not fit, or the tree's length is not a power of two.
    """
    match_tree(tree)
    match_shape(priorities, *match_shape(leaves, -1, name="leaves"), name="priorities")
    update = kernels.implementation("sum_tree_update", implementation, tree)
    if leaves.shape[0]:
        update(tree, leaves, priorities)


def match_tree(tree: Any) -> int:
    """P of a tree.

    Raises:
        ValueError: it is no vector, or its length is not a power of two of 2 or more.
    """
    (size,) = match_shape(tree, -1, name="tree")
    if size < 2 or size & (size - 1):
        raise ValueError(f"tree has {size} entries, expected a power of two of 2 or more")
    return size // 2
