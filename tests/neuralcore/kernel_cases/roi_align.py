"""Cases of op `roi_align`: boxes over the border and outside, thin ones, one pixel, odd numbers of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "roi_align"
# (B, H, W, C, R, scale, S, samples)
SIZES = [
    (1, 1, 1, 1, 1, 1.0, 1, 1),
    (2, 5, 7, 3, 6, 0.5, 3, 2),
    (1, 9, 4, 17, 5, 0.25, 2, 3),
    (2, 6, 6, 130, 3, 0.125, 2, 2),
    (1, 4, 4, 2, 0, 1.0, 2, 2),
]
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}  # places are float32 on a GPU


def make_case(size: tuple[Any, ...], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(features, boxes, images, scale, S, samples)."""
    count, height, width, channels, boxes, scale, side, samples = size
    features = rng.normal(size=(count, height, width, channels)).astype(np.float32)
    return (
        features,
        some_boxes(boxes, height, width, scale, rng),
        rng.integers(0, count, boxes),
        scale,
        side,
        samples,
    ), {}


def some_boxes(count: int, height: int, width: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """(R, 4) float32, a third of each beyond the border; the first lies outside."""
    sides = np.array([width, height]) / scale
    corner = rng.uniform(-0.4, 0.8, (count, 2)) * sides
    boxes = np.concatenate([corner, corner + rng.uniform(0.05, 0.9, (count, 2)) * sides], axis=1)
    if count > 2:
        boxes[0] += 3.0 * sides.max()
    return boxes.astype(np.float32)


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The cells."""
    return {"cells": result}
