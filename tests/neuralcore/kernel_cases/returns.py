"""Cases of op `returns`: one row, one environment, none at all, odd numbers, both dtypes, every kind of end."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "returns"
# (T, N, dtype, trace); 64 environments are a block of the GPU's
SIZES = [
    (1, 1, "float32", 1.0),
    (5, 16, "float32", 1.0),
    (7, 3, "float64", 0.95),
    (0, 4, "float32", 0.9),
    (33, 65, "float32", 0.95),
    (129, 1, "float64", 1.0),
    (20, 130, "float64", 0.0),
]
TOLERANCE = {"rtol": 2e-7, "atol": 1e-12}  # summed in float64 by all; a float32 result may round the other way


def make_case(size: tuple[int, int, str, float], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Random rows, in which each end is followed by a reset row."""
    steps, count, dtype, trace = size
    terminated, truncated, transition = (np.zeros((steps, count), bool) for _ in range(3))
    over = rng.random(count) < 0.2  # episodes that ended before the first row
    for t in range(steps):
        transition[t] = ~over
        terminated[t] = transition[t] & (rng.random(count) < 0.15)
        truncated[t] = transition[t] & (rng.random(count) < 0.15)  # at times both
        over = terminated[t] | truncated[t]
    rewards, values = rng.normal(size=(steps, count)), rng.normal(size=(steps + 1, count))
    return (rewards.astype(dtype), values.astype(dtype), terminated, truncated, transition, 0.97, trace), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """Both arrays."""
    return {"advantages": result.advantages, "returns": result.returns}
