"""Cases of op `box_iou`: none, one, odd numbers, boxes without area, the same box twice, boxes far apart."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "box_iou"
SIZES = [(1, 1), (0, 3), (4, 0), (17, 65), (130, 7), (33, 129)]  # (N, M)
TOLERANCE = {"rtol": 2e-6, "atol": 1e-7}


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(boxes, others); the first few are without area, and the last of both the same."""
    boxes, others = some_boxes(size[0], rng), some_boxes(size[1], rng)
    if min(size) > 1:
        others[-1] = boxes[-1]
        others[0] = boxes[0]
    return (boxes, others), {}


def some_boxes(count: int, rng: np.random.Generator) -> np.ndarray:
    """(N, 4) float32 within 100 x 100 pixels, every ninth without area."""
    corner, sides = rng.uniform(0, 70, (count, 2)), rng.uniform(1, 30, (count, 2))
    sides[::9] = 0.0
    return np.concatenate([corner, corner + sides], axis=1).astype(np.float32)


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The matrix."""
    return {"iou": result}
