"""numba: one row after the other, each number read twice."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def unit_rows(rows):
    """As `neuralcore.kernels.unit_rows.unit_rows`."""
    M, D = rows.shape
    units, squares = np.empty((M, D), np.float32), np.empty(M)
    for m in range(M):
        square = 0.0
        for d in range(D):
            square += np.float64(rows[m, d]) * np.float64(rows[m, d])
        squares[m] = square
        if 0.0 < square < np.inf:
            length = math.sqrt(square)
            for d in range(D):
                units[m, d] = np.float64(rows[m, d]) / length
        else:
            units[m] = 0.0
    return units, squares
