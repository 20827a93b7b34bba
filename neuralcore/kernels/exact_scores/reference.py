"""The truth in NumPy."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.exact_scores import METRICS


def exact_scores(queries: np.ndarray, vectors: np.ndarray, metric: int) -> tuple[np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.exact_scores.exact_scores`; `metric` is a place in METRICS."""
    q, x = queries.astype(np.float64)[:, None], vectors.astype(np.float64)
    length, lengths = np.linalg.norm(q, axis=-1), np.linalg.norm(x, axis=-1)
    if METRICS[metric] == "l2":
        return (0 - np.linalg.norm(x - q, axis=-1)).astype(np.float32), ((length + lengths) ** 2).max(axis=1)
    scores = (q * x).sum(axis=-1)
    if METRICS[metric] == "cosine":
        scores /= length * lengths
    return scores.astype(np.float32), (length * lengths).max(axis=1)
