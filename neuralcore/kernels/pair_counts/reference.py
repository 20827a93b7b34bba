"""The truth in plain Python: a Counter of all neighbours."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np


def pair_counts(
    ids: np.ndarray, counts: np.ndarray, discount: float, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.pair_counts.pair_counts`."""
    total = float(counts.sum())

    found = Counter(pair for pair in itertools.pairwise(ids.tolist()) if min(pair) >= 0)
    pairs = sorted(
        (a, b)
        for (a, b), count in found.items()
        if (count - discount) * total > threshold * float(counts[a]) * float(counts[b])
    )
    return (
        np.array(pairs, dtype=np.int32).reshape(len(pairs), 2),
        np.array([found[pair] for pair in pairs], dtype=np.int64),
    )
