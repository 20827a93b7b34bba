"""The truth in plain Python: a Counter of neighbours."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np


def pair_counts(
    ids: np.ndarray, counts: np.ndarray, discount: float, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.pair_counts.pair_counts`."""
    total = float(counts.sum())

    def possible(a: int, b: int) -> bool:
        return bool((min(counts[a], counts[b]) - discount) * total > threshold * counts[a] * counts[b])

    found = Counter(pair for pair in itertools.pairwise(ids.tolist()) if min(pair) >= 0 and possible(*pair))
    pairs = sorted(found)
    return (
        np.array(pairs, dtype=np.int32).reshape(len(pairs), 2),
        np.array([found[pair] for pair in pairs], dtype=np.int64),
    )
