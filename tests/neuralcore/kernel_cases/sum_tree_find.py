"""Cases of op `sum_tree_find`: masses at both ends, on the borders between leaves, and many leaves of priority 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.sum_tree_update import sum_tree, sum_tree_update

OP = "sum_tree_find"
SIZES = [(1, 1), (2, 5), (3, 0), (7, 20), (33, 129), (64, 64), (300, 130), (1000, 257)]  # (C, B)
TOLERANCE = {"rtol": 0.0, "atol": 0.0}


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(tree, masses); about half of the leaves have priority 0, and some masses are sums of whole leaves."""
    capacity, count = size
    priorities = rng.random(capacity) * rng.integers(0, 2, capacity)
    priorities[rng.integers(capacity)] = 0.5
    tree = sum_tree(capacity)
    sum_tree_update(tree, np.arange(capacity), priorities, implementation="reference")
    masses = rng.random(count) * tree[1]
    borders = np.cumsum(priorities)[rng.integers(0, capacity, count)]
    masses = np.where(rng.random(count) < 0.3, np.minimum(borders, tree[1]), masses)
    masses[:2] = np.array([0.0, tree[1]])[: min(count, 2)]
    return (tree, masses), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The leaves, and what the call may not change."""
    return {"leaves": result, "tree": args[0], "masses": args[1]}
