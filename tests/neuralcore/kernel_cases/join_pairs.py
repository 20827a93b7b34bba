"""Cases of op `join_pairs`: nothing, no pairs, few words so that pairs overlap, words that begin no pair."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "join_pairs"
SIZES = [
    (0, 3, 2),
    (1, 3, 9),
    (500, 40, 0),
    (2_000, 3, 5),
    (2_000, 60, 700),
]  # (N positions, V words, P pairs at most)
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(ids, pairs, joined)."""
    positions, words, count = size
    ids = rng.integers(-1, words, positions).astype(np.int32)
    pairs = np.unique(rng.integers(0, words + 2, (count, 2)).astype(np.int32), axis=0)
    return (ids, pairs, rng.permutation(len(pairs)).astype(np.int32) + words), {}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, Any]:
    """The stream."""
    return {"stream": result}
