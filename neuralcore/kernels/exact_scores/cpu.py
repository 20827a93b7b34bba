"""numba: one candidate after the other, each number read once.

Sums are of four parts that take turns, so that no addition waits for the one before it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

DOT, COSINE, L2 = range(3)  # places in `neuralcore.kernels.exact_scores.METRICS`


@njit(nogil=True, cache=True)
def exact_scores(queries, vectors, metric):
    """As `neuralcore.kernels.exact_scores.exact_scores`; `metric` is a place in METRICS."""
    M, C, D = vectors.shape
    scores, scales = np.empty((M, C), np.float32), np.zeros(M)
    parts = np.empty((2, 4))
    for m in range(M):
        length = 0.0
        for d in range(D):
            length += np.float64(queries[m, d]) * np.float64(queries[m, d])
        length = math.sqrt(length)
        for c in range(C):
            parts[:] = 0.0
            for d in range(D):
                q, x = np.float64(queries[m, d]), np.float64(vectors[m, c, d])
                parts[0, d & 3] += x * x
                parts[1, d & 3] += (x - q) * (x - q) if metric == L2 else x * q
            squares = (parts[0, 0] + parts[0, 1]) + (parts[0, 2] + parts[0, 3])
            score = (parts[1, 0] + parts[1, 1]) + (parts[1, 2] + parts[1, 3])
            own = math.sqrt(squares)
            if metric == L2:
                score, scale = 0.0 - math.sqrt(score), (length + own) * (length + own)
            else:
                scale = length * own
                if metric == COSINE:
                    score /= scale
            scores[m, c] = score
            scales[m] = max(scales[m], scale)
    return scores, scales
