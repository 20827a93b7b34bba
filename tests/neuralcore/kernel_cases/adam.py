"""Cases of op `adam`: one number, arrays longer than a chunk of the norm, gradients of 0, clipping and none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

OP = "adam"
SIZES = [((1,), math.inf), ((3, 5000, 1), 0.5), ((17, 4096), 1e3), ((8, 9), 0.1)]  # (lengths, largest norm)
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}  # float32, sums in another order


def make_case(size: tuple[tuple[int, ...], float], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict]:
    """(weights, gradients, means, squares, step, learning_rate, beta1, beta2, epsilon, max_norm)."""
    lengths, limit = size
    weights, gradients, means, squares = (
        tuple(rng.normal(size=n).astype(np.float32) for n in lengths) for _ in range(4)
    )
    if len(lengths) == 2:
        for gradient in gradients:
            gradient[:] = 0.0
    squares = tuple(np.square(v) for v in squares)
    return (weights, gradients, means, squares, 7, 0.1, 0.9, 0.999, 1e-5, limit), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """What the call changed, what it may not change, and what it gave."""
    names = ("weights", "gradients", "means", "squares")
    return {name: np.concatenate(arrays) for name, arrays in zip(names, args)} | {"norm": np.float64(result)}
