"""Cases of op `sum_tree_update`: repeated leaves, none at all, priorities of 0, capacities up to a power of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.sum_tree_update import sum_tree, sum_tree_update

OP = "sum_tree_update"
SIZES = [(1, 1), (1, 3), (2, 2), (5, 0), (7, 20), (33, 5), (64, 64), (300, 130), (1000, 257)]  # (C, B)
TOLERANCE = {"rtol": 0.0, "atol": 0.0}  # one addition a node, the same everywhere


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(tree, leaves, priorities); the tree holds something already, a third of the new priorities are 0."""
    capacity, named = size
    tree = sum_tree(capacity)
    sum_tree_update(tree, np.arange(capacity), rng.random(capacity), implementation="reference")
    priorities = rng.random(named) * 10.0 ** rng.integers(-6, 6, named)
    priorities[rng.random(named) < 1 / 3] = 0.0
    return (tree, rng.integers(0, capacity, named), priorities), {}


def outputs(args: tuple[Any, ...], result: None) -> dict[str, Any]:
    """What the call changed."""
    return {"tree": args[0]}
