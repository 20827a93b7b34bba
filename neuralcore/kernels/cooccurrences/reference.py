"""The truth in plain Python: a dictionary of all pairs."""

from __future__ import annotations

from collections import defaultdict

import numpy as np


def cooccurrences(ids: np.ndarray, begin: int, words: int, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.cooccurrences.cooccurrences`, for all of `ids` from `begin` on."""
    stream = ids.tolist()
    counts: dict[tuple[int, int], float] = defaultdict(float)
    for later in range(begin, len(stream)):
        for distance in range(1, min(window, later) + 1):
            if min(stream[later - distance : later + 1]) < 0:
                break  # another sentence
            row, column = sorted((stream[later - distance], stream[later]))
            counts[row, column] += (2.0 if row == column else 1.0) / distance
    pairs = sorted(counts)
    rows = np.array([row for row, _ in pairs], dtype=np.int64)
    return (
        np.searchsorted(rows, np.arange(words + 1)),
        np.array([column for _, column in pairs], dtype=np.int32),
        np.array([counts[pair] for pair in pairs], dtype=np.float32),
    )
