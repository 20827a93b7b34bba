from __future__ import annotations

from typing import Any

import numpy as np

OP = "repeated_rows"
SIZES = [(0, 3, 1), (1, 1, 1), (5_001, 3, 12), (777, 2, 2**40)]  # rows, columns, different numbers
TOLERANCE: dict[str, float] = {"rtol": 0, "atol": 0}


def make_case(size: Any, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    rows, columns, numbers = size
    dtype = np.int64 if numbers > 2**31 else np.int32
    return (rng.integers(numbers, size=(rows, columns)).astype(dtype),), {}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, np.ndarray]:
    return {"first": result}
