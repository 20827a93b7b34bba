"""Priorities of transitions: "Prioritized experience replay" (Schaul et al., ICLR 2016), the proportional variant.

A transition is drawn in proportion to a power of its last temporal-difference error, and what that changes about the
mean gradient is taken back, more and more as training goes on, by a weight in the loss (section 3.3, 3.4):

    p_i = |error_i| + floor        P(i) = p_i^exponent / Σ_k p_k^exponent
    w_i = (N P(i))^-importance / max_j w_j        max over the batch, so that N and the sum cancel

New transitions come with the largest p so far, that they be seen at all (algorithm 1, line 6; the first with 1).
Batches are stratified: the sum is cut into B ranges of equal mass and one transition drawn in each (appendix B.2.1).

Differences from the paper: errors count as they are, where the paper clips them to [-1, 1]; the largest p is that
of all time, also of transitions since overwritten or learned, which needs no search. The learning rate, which the
paper divides by four here, is left to the config.

A leaf of the tree is a place in the buffer; it holds p^exponent, or 0 where nothing can be drawn. Axes: B drawn.
"""

from __future__ import annotations

import numpy as np

from neuralcore.errors import UserError
from neuralcore.kernels.sum_tree_find import sum_tree_find
from neuralcore.kernels.sum_tree_update import sum_tree, sum_tree_update
from neuralcore.shape import match_shape


class Priorities:
    """The priorities of `count` places.

    Args:
        count: places. exponent: of the priorities; 0 draws uniformly. floor: above 0, added to every error.

    Attributes:
        tree: (2P,) float64, the tree of sums; the priority of place l is tree[P + l]. largest: the greatest p so far.
    """

    def __init__(self, count: int, exponent: float, floor: float):
        self.count, self.exponent, self.floor = count, exponent, floor
        self.tree = sum_tree(count)
        self.largest = 1.0

    @property
    def leaves(self) -> np.ndarray:
        """(count,) float64, a view: p^exponent of each place."""
        first = len(self.tree) // 2
        return self.tree[first : first + self.count]

    def admit(self, places: np.ndarray, valid: np.ndarray) -> None:
        """Give places (B,) the largest priority so far, or none where they are not `valid` (B,)."""
        sum_tree_update(self.tree, places, np.where(valid, self.largest**self.exponent, 0.0))

    def draw(
        self, batch: int, generator: np.random.Generator, importance_exponent: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places (B,) int64 and their weights (B,) float32, of which the largest is 1.

        Raises:
            RuntimeError: no place has a priority.
        """
        total = self.tree[1]
        if not total > 0.0:
            raise RuntimeError("the replay buffer holds no transitions, only reset rows")
        places = sum_tree_find(self.tree, (np.arange(batch) + generator.random(batch)) * (total / batch))
        drawn = self.tree[len(self.tree) // 2 + places]
        return places, ((drawn.min() / drawn) ** importance_exponent).astype(np.float32)

    def learned(self, places: np.ndarray, errors: np.ndarray) -> None:
        """Set priorities by the errors (B,) just found at places (B,); a place that has none gets none.

        Raises:
            UserError: an error is not finite, by which nothing can be drawn any more.
        """
        match_shape(errors, *match_shape(places, -1, name="places"), name="errors")
        priorities = np.abs(errors.astype(np.float64)) + self.floor
        largest = float(priorities.max())
        if not np.isfinite(largest):
            raise UserError(
                f"a temporal-difference error became {largest}: lower the learning rate; "
                "the checkpoints before it are whole"
            )
        alive = self.tree[len(self.tree) // 2 + places] > 0.0
        sum_tree_update(self.tree, places, np.where(alive, priorities**self.exponent, 0.0))
        self.largest = max(self.largest, largest)

    def restore(self, leaves: np.ndarray, largest: float) -> None:
        """Take the first (≤ count,) `leaves` and `largest` of priorities like these; the rest have none."""
        self.leaves[:] = 0.0
        self.leaves[: len(leaves)] = leaves
        sum_tree_update(self.tree, np.arange(self.count), self.leaves.copy())
        self.largest = largest
