"""Cases of op `tsne_attraction`: no pairs, rows without any, many pairs a row, points on each other and far away."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "tsne_attraction"
SIZES = [(0, 0), (1, 0), (3, 5), (17, 4), (130, 90)]  # (N, longest)
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(Y, offsets, columns, values)."""
    N, longest = size
    Y = rng.normal(size=(N, 2)) * 10.0 ** rng.integers(-5, 3, (N, 1))
    Y[N // 2 :: 7] = Y[:1]
    offsets = np.concatenate([[0], rng.integers(0, longest + 1, N).cumsum()]).astype(np.int64)
    columns = rng.integers(0, max(N, 1), offsets[-1]).astype(np.int32)
    return (Y, offsets, columns, rng.random(offsets[-1])), {}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, Any]:
    """The forces."""
    return {"forces": result}
