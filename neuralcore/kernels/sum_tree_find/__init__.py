"""Op `sum_tree_find`: the leaves of a tree of sums at which the running sum of priorities covers each mass.

For a mass m in [0, sum of all) the leaf l found is the one with

    Σ_{k < l} priority_k  <=  m  <  Σ_{k <= l} priority_k,

so that masses drawn uniformly find leaves in proportion to their priorities (Schaul et al. 2016, appendix B.2.1).
From the root down, a mass below the left child's sum goes left, any other loses that sum and goes right; a child
without priority is never entered, so that no rounding of the sums leads to a leaf of priority 0. Op `sum_tree_update`
describes the tree. Axes: B masses.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.kernels.sum_tree_update import match_tree
from neuralcore.shape import match_shape


def sum_tree_find(tree: Any, masses: Any, *, implementation: kernels.Implementation = "auto") -> Any:
    """The leaf that covers each mass, (B,) int64.

    Args:
        tree: (2P,) float64, P a power of two, of which `tree[1]` is above 0 (not checked here).
        masses: (B,) float64 in [0, tree[1]]; the upper end, and what rounding brings past it, find the last leaf of
            a priority above 0.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `tree` lives.

    Raises:
        ValueError: a shape does not fit, or the tree's length is not a power of two.
    """
    match_tree(tree)
    match_shape(masses, -1, name="masses")
    return kernels.implementation("sum_tree_find", implementation, tree)(tree, masses)
