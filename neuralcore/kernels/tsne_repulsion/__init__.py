"""The force that drives points of a layout apart in t-SNE, and the sum that normalises Q.

    k_ij = 1 / (1 + |y_i - y_j|²)        F_i = Σ_j k_ij² (y_i - y_j)        Z = Σ_{i≠j} k_ij

Axes: N points.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def tsne_repulsion(Y: np.ndarray, *, implementation: kernels.Implementation = "auto") -> tuple[np.ndarray, float]:
    """F (N, 2) float64, and Z.

    "reference" looks at all pairs. "cpu" interpolates: its time grows with N and with the area that the points take,
    and its error is about a hundredth of the forces' root mean square, and a thousandth of Z.

    Args:
        Y: (N, 2) float64, finite.

    Raises:
        ValueError: a shape, dtype or range differs.
        UserError: there is no such implementation.
    """
    match_shape(Y, -1, 2, name="Y")
    if Y.dtype != np.float64:
        raise ValueError(f"Y is {Y.dtype}, expected float64")
    if not len(Y) or not np.isfinite(Y).all():
        raise ValueError("Y must have points, all of them finite")
    return kernels.implementation("tsne_repulsion", implementation, Y)(Y)
