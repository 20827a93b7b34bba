"""The truth in NumPy: all pairs, some rows at a time."""

from __future__ import annotations

import numpy as np


def tsne_repulsion(Y: np.ndarray) -> tuple[np.ndarray, float]:
    """As `neuralcore.kernels.tsne_repulsion.tsne_repulsion`."""
    forces, total = np.empty_like(Y), 0.0
    for start in range(0, len(Y), 256):
        apart = Y[start : start + 256, None] - Y
        kernel = 1 / (1 + (apart**2).sum(axis=-1))
        forces[start : start + 256] = (kernel[..., None] ** 2 * apart).sum(axis=1)
        total += kernel.sum()
    return forces, total - len(Y)
