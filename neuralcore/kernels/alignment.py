"""Arrays that begin where the processor's vectors would like them to."""

from __future__ import annotations

import numpy as np

LANES = 16  # float32 numbers in a cache line, and in the widest vector of the processor
LINE = 4 * LANES  # bytes


def aligned(rows: int, columns: int) -> np.ndarray:
    """(rows, columns) float32 zeros that begin at a cache line; so does every row, if columns is a multiple of 16.

    NumPy's own arrays begin 16 bytes after one, so that every vector of 64 bytes lies across two.
    """
    raw = np.zeros(rows * columns * 4 + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + rows * columns * 4].view(np.float32).reshape(rows, columns)
