"""Cases of op `perceptron`: no hidden layer, several heads, odd widths, no rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

OP = "perceptron"
SIZES = [(1, (3, 2), 1), (5, (4, 7, 3, 1), 2), (8, (9, 33, 17, 6, 1), 2), (0, (2, 3, 4), 1), (7, (130, 64, 64, 5), 1)]
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # float32, sums in another order


def make_case(size: tuple[int, tuple[int, ...], int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict]:
    """(x, weights, biases, heads) for (rows, widths of input, hidden layers and heads, number of heads)."""
    rows, widths, heads = size
    hidden = widths[: len(widths) - heads]
    shapes = [(b, a) for a, b in itertools.pairwise(hidden)] + [
        (o, hidden[-1]) for o in widths[len(widths) - heads :]
    ]
    weights = tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)
    biases = tuple(rng.normal(size=shape[0]).astype(np.float32) for shape in shapes)
    return (rng.normal(size=(rows, widths[0])).astype(np.float32), weights, biases, heads), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    return {"y": result}
