"""The truth in NumPy: a row at a time."""

from __future__ import annotations

import itertools

import numpy as np


def tsne_attraction(Y: np.ndarray, offsets: np.ndarray, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
    """As `neuralcore.kernels.tsne_attraction.tsne_attraction`."""
    out = np.zeros_like(Y)
    for i, (begin, end) in enumerate(itertools.pairwise(offsets)):
        apart = Y[i] - Y[columns[begin:end]]
        weights = values[begin:end] / (1 + (apart**2).sum(axis=1))
        out[i] = weights @ apart
    return out
