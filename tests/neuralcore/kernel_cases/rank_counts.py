"""Cases of op `rank_counts`: odd sizes, equal scores, and some that are no numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "rank_counts"
SIZES = [(0, 3), (1, 0), (1, 1), (7, 5), (3, 1000), (33, 17)]
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(scores, true)."""
    scores = rng.integers(-3, 4, size=size).astype(np.float32)
    scores[rng.random(size) < 0.1] = np.nan
    scores[rng.random(size) < 0.1] = np.inf
    return (scores, rng.integers(-3, 4, size=size[0]).astype(np.float32)), {}


def outputs(args: tuple[Any, ...], result: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Both counts."""
    above, below = result
    return {"above": above, "below": below}
