"""The length of several arrays taken as one vector: what ops that clip gradients begin with, in numba."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

CHUNK = 4096  # numbers that are summed in float32, as fast as memory gives them, before the sum goes on in float64


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def norm(arrays):
    """sqrt of the sum of squares of a tuple of (n,) float32 arrays, a float64."""
    total = 0.0
    for array in arrays:
        for begin in range(0, len(array), CHUNK):
            part = np.float32(0.0)
            for i in range(begin, min(begin + CHUNK, len(array))):
                part += array[i] * array[i]
            total += np.float64(part)
    return math.sqrt(total)
