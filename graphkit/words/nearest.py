"""The rows of a matrix nearest to many directions at once, in blocks of bounded memory.

Axes: Q directions, V rows, D dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SCORES = 1 << 24  # cosines held at once, 64 MB


def blocks(queries: int, rows: int) -> list[slice]:
    """Slices of Q such that each has at most `SCORES` cosines with V rows."""
    step = max(SCORES // max(rows, 1), 1)
    return [slice(begin, min(begin + step, queries)) for begin in range(0, queries, step)]


def nearest(
    unit: np.ndarray, directions: np.ndarray, left_out: Sequence[Sequence[int]], k: int
) -> list[list[tuple[int, float]]]:
    """For each direction the k rows of the largest cosine, the nearest first and the smaller number at a tie.

    Args:
        unit: (V, D) rows of length one. directions: (Q, D) of length one.
        left_out: Q lists of rows that are no answers; fewer than k answers where these leave no more.
    """
    found = []
    for part in blocks(len(directions), len(unit)):
        cosines = directions[part] @ unit.T  # (block, V)
        for row, out in zip(cosines, left_out[part]):
            row[list(out)] = -np.inf
            count = min(k, len(unit) - len(set(out)))
            # All that reach the k-th cosine, so that it is the numbers that decide between equal ones.
            reach = row >= np.partition(row, -count)[-count] if count else np.zeros(len(row), bool)
            candidates = np.flatnonzero(reach & (row > -np.inf))
            order = candidates[np.argsort(-row[candidates], kind="stable")][:count]
            found.append([(int(i), float(row[i])) for i in order])
    return found
