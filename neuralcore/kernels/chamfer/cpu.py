"""Op `chamfer` by numba: each squared distance is computed once and serves both directions.

A point's distances to all others lie in a row, made coordinate by coordinate, so that what is done for each of them
is the same operation on neighbours in memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def chamfer(points, others):
    pairs, count, width = points.shape
    other_count = others.shape[1]
    rows = np.empty((pairs, count), np.int64)
    squares = np.empty((pairs, count), np.float32)
    other_rows = np.empty((pairs, other_count), np.int64)
    other_squares = np.empty((pairs, other_count), np.float32)
    turned = np.empty((width, other_count), np.float32)
    row = np.empty(other_count, np.float32)
    nearest = np.empty(other_count, np.int32)
    for b in range(pairs):
        for j in range(other_count):
            for d in range(width):
                turned[d, j] = others[b, j, d]
        best = other_squares[b]
        best[:] = np.inf
        nearest[:] = 0
        for i in range(count):
            row[:] = np.float32(0.0)
            for d in range(width):
                here, along = points[b, i, d], turned[d]
                for j in range(other_count):
                    apart = here - along[j]
                    row[j] += apart * apart
            for j in range(other_count):
                closer = row[j] < best[j]
                best[j] = row[j] if closer else best[j]
                nearest[j] = np.int32(i) if closer else nearest[j]
            least = smallest(row)
            at = 0
            while row[at] != least:
                at += 1
            rows[b, i], squares[b, i] = at, least
        other_rows[b] = nearest
    return rows, squares, other_rows, other_squares


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def smallest(row):
    """Of finite numbers; their order does not matter to a minimum, so it is taken of many at once."""
    least = row[0]
    for j in range(len(row)):
        least = min(least, row[j])
    return least
