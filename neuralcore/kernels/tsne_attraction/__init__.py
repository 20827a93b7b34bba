"""The force that draws points of a layout to their neighbours, for t-SNE with a sparse P.

    F_i = Σ_j p_ij (y_i - y_j) / (1 + |y_i - y_j|²)

Axes: N points, E pairs with a p_ij.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def tsne_attraction(
    Y: np.ndarray,
    offsets: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
    *,
    implementation: kernels.Implementation = "auto",
) -> np.ndarray:
    """(N, 2) float64: F, each row summed in the order of its entries. Releases the GIL.

    Args:
        Y: (N, 2) float64. offsets: (N + 1,) int64; row i has the entries offsets[i] <= e < offsets[i + 1].
        columns: (E,) int32, j of each entry. values: (E,) float64, p_ij.

    Raises:
        ValueError: a shape, dtype or range differs.
        UserError: there is no such implementation.
    """
    (N,) = match_shape(Y, -1, 2, name="Y")
    match_shape(offsets, N + 1, name="offsets")
    (entries,) = match_shape(columns, -1, name="columns")
    match_shape(values, entries, name="values")
    wanted = (("Y", Y, "float64"), ("offsets", offsets, "int64"), ("columns", columns, "int32"))
    for name, array, dtype in (*wanted, ("values", values, "float64")):
        if array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    if offsets[0] != 0 or offsets[-1] != entries or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets must go from 0 to {entries} and never decrease")
    if entries and not 0 <= int(columns.min()) <= int(columns.max()) < N:
        raise ValueError(f"columns has a number outside 0..{N - 1}")
    return kernels.implementation("tsne_attraction", implementation, Y)(Y, offsets, columns, values)
