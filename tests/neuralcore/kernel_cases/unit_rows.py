"""Cases of op `unit_rows`: odd sizes, tiny and huge rows, and those that have no direction."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "unit_rows"
SIZES = [(0, 3), (1, 1), (1, 100), (7, 5), (33, 17)]
TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(rows,)."""
    rows = (rng.normal(size=size) * 10.0 ** rng.integers(-18, 18, size=(size[0], 1))).astype(np.float32)
    for place, value in ((1, 0.0), (3, np.nan), (5, np.inf)):
        if place < len(rows):
            rows[place] = value
    return (rows,), {}


def outputs(args: tuple[Any, ...], result: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Rows and squares."""
    units, squares = result
    return {"units": units, "squares": squares}
