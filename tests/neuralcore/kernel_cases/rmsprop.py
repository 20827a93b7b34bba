"""Cases of op `rmsprop`: centred or not, arrays longer than a chunk of the norm, gradients of 0, clipping or none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

OP = "rmsprop"
SIZES = [  # (lengths, largest norm, centred)
    ((1,), math.inf, False),
    ((3, 5000, 1), 0.5, False),
    ((3, 5000, 1), 0.5, True),
    ((17, 4096), 1e3, True),
    ((8, 9), 0.1, False),
]
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}  # float32, sums in another order


def make_case(size: tuple[tuple[int, ...], float, bool], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict]:
    """(weights, gradients, squares, means, learning_rate, decay, epsilon, max_norm)."""
    lengths, limit, centred = size
    weights, gradients, means, extra = (
        tuple(rng.normal(size=n).astype(np.float32) for n in lengths) for _ in range(4)
    )
    if len(lengths) == 2:
        for gradient in gradients:
            gradient[:] = 0.0
    squares = tuple(np.square(m) + np.square(v) for m, v in zip(means, extra))
    return (weights, gradients, squares, means if centred else (), 0.1, 0.95, 0.01, limit), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """What the call changed, what it may not change, and what it gave."""
    names = ("weights", "gradients", "squares", "means")
    return {name: np.concatenate(arrays) for name, arrays in zip(names, args) if arrays} | {
        "norm": np.float64(result)
    }
