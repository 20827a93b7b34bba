"""Cases of op `row_adagrad`: repeated rows, no rows, one number a row, and rows that lie apart in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "row_adagrad"
SIZES = [(1, 1, 1), (5, 0, 3), (7, 13, 1), (33, 20, 17), (100, 300, 100), (9, 9, 130)]  # (N, M, D)
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}  # float32, sums in another order


def make_case(size: tuple[int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(weight, state, rows, gradients, learning_rate); half of the state is still zero."""
    count, named, dimension = size
    weight = rng.normal(size=(count, dimension)).astype(np.float32)
    state = (rng.random(count) * rng.integers(0, 2, count)).astype(np.float32)
    rows = rng.integers(0, count, named)
    gradients = rng.normal(size=(named, dimension)).astype(np.float32)
    if named:
        gradients[rows == rows[0]] = 0.0  # a row without a gradient stays where it is
    return (weight, state, rows, gradients, 0.3), {"epsilon": 1e-8}


def outputs(args: tuple[Any, ...], result: None) -> dict[str, Any]:
    """What the call changed, and what it may not change."""
    return {"weight": args[0], "state": args[1], "gradients": args[3]}
