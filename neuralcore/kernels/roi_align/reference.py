"""Op `roi_align`, the truth: weights of each point along either axis, as two matrices, and their products."""

from __future__ import annotations

import numpy as np


def roi_align(
    features: np.ndarray, boxes: np.ndarray, images: np.ndarray, scale: float, size: int, samples: int
) -> np.ndarray:
    _, height, width, channels = features.shape
    found = np.zeros((len(boxes), size, size, channels), np.float32)
    for r, (left, top, right, bottom) in enumerate(boxes * np.float32(scale)):
        rows = weights(top, bottom, height, size, samples)
        columns = weights(left, right, width, size, samples)
        found[r] = np.einsum("ih,hwc,jw->ijc", rows, features[images[r]], columns)
    return found


def weights(start: float, stop: float, pixels: int, size: int, samples: int) -> np.ndarray:
    """(S, pixels): how much of each pixel is in each cell of a box from `start` to `stop`, along one axis."""
    places = start + (np.arange(size * samples) + 0.5) * (stop - start) / (size * samples) - 0.5
    found = np.zeros((size * samples, pixels))
    for point, place in enumerate(places):
        if -1.0 <= place <= pixels:
            place = min(max(place, 0.0), pixels - 1.0)
            below = min(int(place), max(pixels - 2, 0))
            found[point, below] += 1.0 - (place - below)
            if pixels > 1:
                found[point, below + 1] += place - below
    return found.reshape(size, samples, pixels).mean(1)
