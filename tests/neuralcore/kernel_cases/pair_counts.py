"""Cases of op `pair_counts`: nothing, one word, a table that must grow, thresholds that leave out much or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.pair_counts import Pairs

OP = "pair_counts"
SIZES = [(0, 3, 0.0, 1e-9), (1, 3, 0.0, 1e-9), (999, 1, 0.0, 1e-9), (5_000, 90, 2.0, 3.0), (90_000, 4_000, 0.0, 0.1)]
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(
    size: tuple[int, int, float, float], rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(ids, counts), keywords discount and threshold, of (N positions, V words, discount, threshold)."""
    positions, words, discount, threshold = size
    ids = (rng.random(positions) ** 3 * words).astype(np.int32)
    ids[rng.random(positions) < 0.1] = -1
    counts = np.bincount(ids[ids >= 0], minlength=words)
    return (ids, counts), {"discount": discount, "threshold": threshold}


def outputs(args: tuple[Any, ...], result: Pairs) -> dict[str, Any]:
    """The pairs and their counts."""
    return result._asdict()
