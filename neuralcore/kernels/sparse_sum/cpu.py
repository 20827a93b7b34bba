"""numba: the sums of one row at a time, with the loops of `cooccurrences`."""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.cooccurrences.cpu import add_to, empty_row, take_row


def sparse_sum(
    offsets: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.sparse_sum.sparse_sum`."""
    begins = np.empty(offsets.shape[1], np.int64)
    entries = int((offsets[:, -1] - offsets[:, 0]).sum())
    summed, sums = np.empty(entries, np.int32), np.empty(entries, np.float32)
    length = _add(offsets, columns, values, empty_row(width), begins, summed, sums)
    return begins, summed[:length], sums[:length]


@njit(nogil=True, cache=True)
def _add(offsets, columns, values, row, begins, summed, sums):
    length = 0
    for i in range(offsets.shape[1] - 1):
        begins[i] = length
        for r in range(offsets.shape[0]):
            for e in range(offsets[r, i], offsets[r, i + 1]):
                add_to(row, columns[e], values[e])
        length = take_row(row, length, summed, sums)
    begins[offsets.shape[1] - 1] = length
    return length
