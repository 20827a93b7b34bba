"""Cases of op `sparse_sum`: no rows, no entries, columns out of order and repeated, many and few matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.cooccurrences import SparseRows

OP = "sparse_sum"
SIZES = [
    (1, 0, 4, 0),
    (3, 5, 1, 0),
    (1, 1, 1, 5),
    (4, 7, 64, 10),
    (2, 3, 9_000, 300),
    (9, 40, 70, 7),
]  # (R, I, V, longest)
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(offsets, columns, values), keyword width; one matrix lies behind the other, with a gap in between."""
    matrices, rows, width, longest = size
    lengths = rng.integers(0, longest + 1, (matrices, rows))
    offsets = np.concatenate([np.zeros((matrices, 1), np.int64), lengths.cumsum(axis=1)], axis=1)
    offsets += (np.arange(matrices) * (rows * longest + 1))[:, None]
    entries = matrices * (rows * longest + 1)
    values = rng.lognormal(0.0, 3.0, entries).astype(np.float32)
    return (offsets, rng.integers(0, width, entries).astype(np.int32), values), {"width": width}


def outputs(args: tuple[Any, ...], result: SparseRows) -> dict[str, Any]:
    """The matrix."""
    return result._asdict()
