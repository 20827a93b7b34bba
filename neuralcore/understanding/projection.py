"""Features as points in a plane, by their principal components (Pearson 1901).

What lays points out is a function of an array, (N, F) -> (N, 2): another one, as a t-SNE, can stand in its place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuralcore.shape import match_shape


class Components(NamedTuple):
    """Principal components.

    Attributes:
        points: (N, D), the rows' coordinates. directions: (D, F), of length 1. shares: (D,) of the variance.
    """

    points: np.ndarray
    directions: np.ndarray
    shares: np.ndarray


def principal_components(rows: np.ndarray, count: int = 2) -> Components:
    """The first `count` principal components of rows (N, F); the largest number of each direction is above 0."""
    match_shape(rows, -1, -1, name="rows")
    centred = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred)  # F x F: rows are many, features hundreds
    values, directions = values[::-1].clip(0.0), vectors.T[::-1][:count]
    largest = np.abs(directions).argmax(1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    shares = values[:count] / max(float(values.sum()), 1e-300)
    return Components(centred @ directions.T, directions, shares)
