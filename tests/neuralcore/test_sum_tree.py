"""The tree of sums, by hand and against cumulative sums; `test_kernels.py` compares the implementations."""

from __future__ import annotations

import numpy as np
import pytest

from neuralcore.kernels.sum_tree_find import sum_tree_find
from neuralcore.kernels.sum_tree_update import sum_tree, sum_tree_update

IMPLEMENTATIONS = ("reference", "cpu")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_by_hand(implementation: str) -> None:
    tree = sum_tree(3)
    sum_tree_update(tree, np.array([2, 0, 0]), np.array([4.0, 9.0, 1.0]), implementation=implementation)  # type: ignore[arg-type]
    assert tree.tolist() == [0, 5, 1, 4, 1, 0, 4, 0]  # the last of leaf 0's priorities counts
    masses = np.array([0.0, 0.5, 1.0, 4.9, 5.0])
    found = sum_tree_find(tree, masses, implementation=implementation)  # type: ignore[arg-type]
    assert found.tolist() == [0, 0, 2, 2, 2]


@pytest.mark.parametrize("capacity", [1, 2, 3, 31, 32, 33, 1000])
def test_find_is_a_search_in_the_running_sums(capacity: int) -> None:
    rng = np.random.default_rng(capacity)
    priorities = rng.integers(0, 4, capacity).astype(np.float64)  # whole numbers: sums are exact
    priorities[rng.integers(capacity)] = 3.0
    tree = sum_tree(capacity)
    sum_tree_update(tree, rng.permutation(capacity), np.ones(capacity))
    sum_tree_update(tree, np.arange(capacity), priorities)
    assert tree[1] == priorities.sum()
    masses = np.concatenate([np.arange(tree[1]), rng.random(500) * tree[1]])
    np.testing.assert_array_equal(
        sum_tree_find(tree, masses), np.searchsorted(np.cumsum(priorities), masses, side="right")
    )


def test_sums_do_not_drift() -> None:
    """After 20,000 updates over thirty orders of magnitude the tree is the one its leaves make at once."""
    rng = np.random.default_rng(0)
    tree = sum_tree(70)
    for _ in range(2_000):
        sum_tree_update(tree, rng.integers(70, size=10), 10.0 ** rng.uniform(-15, 15, 10))
    leaves = 10.0 ** rng.uniform(-15, -12, 70)
    sum_tree_update(tree, np.arange(70), leaves)
    fresh = sum_tree(70)
    sum_tree_update(fresh, np.arange(70), leaves, implementation="reference")
    assert tree.tobytes() == fresh.tobytes()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_rounding_never_leads_to_a_leaf_without_priority(implementation: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        capacity = int(rng.integers(2, 40))
        priorities = 10.0 ** rng.uniform(-9, 9, capacity) * rng.integers(0, 2, capacity)
        priorities[rng.integers(capacity)] = 0.1
        tree = sum_tree(capacity)
        sum_tree_update(tree, np.arange(capacity), priorities)
        ends = np.nextafter(np.cumsum(priorities), 0)
        masses = np.minimum(np.concatenate([ends, np.cumsum(priorities), [tree[1]]]), tree[1])
        found = sum_tree_find(tree, masses, implementation=implementation)  # type: ignore[arg-type]
        assert (priorities[found] > 0).all()


def test_shapes_are_checked() -> None:
    tree = sum_tree(5)
    assert tree.shape == (16,)
    with pytest.raises(ValueError, match="priorities has shape"):
        sum_tree_update(tree, np.zeros(2, np.int64), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="tree has 12 entries"):
        sum_tree_find(tree[:12], np.zeros(1))
    with pytest.raises(ValueError, match="capacity must be 1 or more"):
        sum_tree(0)
