"""Cases of op `roi_align_backward`: those of `roi_align`, where boxes share pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "roi_align_backward"
# (B, H, W, C, R, scale, S, samples)
SIZES = [
    (1, 1, 1, 1, 1, 1.0, 1, 1),
    (2, 5, 7, 3, 6, 0.5, 3, 2),
    (1, 9, 4, 17, 5, 0.25, 2, 3),
    (2, 6, 6, 130, 3, 0.125, 2, 2),
    (1, 4, 4, 2, 0, 1.0, 2, 2),
]
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}  # places are float32 on a GPU, and its sums have no order


def make_case(size: tuple[Any, ...], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(gradient, boxes, images, scale, samples, (B, H, W)); a third of each box is beyond the border."""
    count, height, width, channels, boxes, scale, side, samples = size
    gradient = rng.normal(size=(boxes, side, side, channels)).astype(np.float32)
    sides = np.array([width, height]) / scale
    corner = rng.uniform(-0.4, 0.8, (boxes, 2)) * sides
    given = np.concatenate([corner, corner + rng.uniform(0.05, 0.9, (boxes, 2)) * sides], axis=1).astype(np.float32)
    return (gradient, given, rng.integers(0, count, boxes), scale, samples, (count, height, width)), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The gradient by the features."""
    return {"features": result}
