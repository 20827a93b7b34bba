"""Cases of op `cooccurrences`: nothing, one word, stretches from the middle, windows longer than the stream."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.cooccurrences import SparseRows

OP = "cooccurrences"
SIZES = [  # (N positions, V words, window, where the stretch begins)
    (0, 3, 2, 0),
    (1, 1, 1, 0),
    (40, 1, 3, 0),
    (30, 5, 100, 11),
    (900, 64, 10, 0),
    (900, 65, 10, 300),
    (3_000, 9_000, 7, 1_000),
]
TOLERANCE = {"rtol": 1e-6, "atol": 0}  # the last bit, where the sums are made in another order


def make_case(size: tuple[int, int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(ids, begin, end), keywords words and window; a stretch from the middle ends before the stream does."""
    positions, words, window, begin = size
    ids = (rng.random(positions) ** 3 * words).astype(np.int32)
    ids[rng.random(positions) < 0.05] = -1
    return (ids, begin, positions - begin // 3), {"words": words, "window": window}


def outputs(args: tuple[Any, ...], result: SparseRows) -> dict[str, Any]:
    """The matrix."""
    return result._asdict()
