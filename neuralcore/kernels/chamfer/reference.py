"""Op `chamfer`, the truth: all squared distances of a pair of clouds, and their least along either axis."""

from __future__ import annotations

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def chamfer(points: np.ndarray, others: np.ndarray) -> Arrays:
    squares = np.zeros((len(points), points.shape[1], others.shape[1]), np.float32)
    for d in range(points.shape[2]):
        squares += (points[:, :, None, d] - others[:, None, :, d]) ** 2
    return squares.argmin(2), squares.min(2), squares.argmin(1), squares.min(1)
