"""Cases of op `nms`: none, one, many on a heap, equal scores, several groups, thresholds at both ends."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "nms"
SIZES = [(1, 1, 0.5), (0, 1, 0.5), (5, 1, 0.0), (40, 1, 0.3), (130, 3, 0.5), (65, 2, 1.0)]  # (N, groups, threshold)
TOLERANCE = {"rtol": 0.0, "atol": 0.0}


def make_case(size: tuple[int, int, float], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(boxes, scores, groups, threshold). Scores are tenths, so that many are equal; boxes lie at whole numbers,
    whose IoU all round alike."""
    count, groups, threshold = size
    corner, sides = rng.integers(0, 12, (count, 2)), rng.integers(0, 20, (count, 2))
    boxes = np.concatenate([corner, corner + sides], axis=1).astype(np.float32)
    scores = (rng.integers(0, 10, count) / 10).astype(np.float32)
    return (boxes, scores, rng.integers(0, groups, count), threshold), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The rows that are kept."""
    return {"kept": result}
