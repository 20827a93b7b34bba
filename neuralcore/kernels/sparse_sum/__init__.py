"""The sum of R sparse matrices, each given by its rows.

    S[i, j] = Σ_r A_r[i, j]

Axes: R matrices, I rows of each, V columns, E entries of all matrices together.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.kernels.cooccurrences import SparseRows
from neuralcore.shape import match_shape


def sparse_sum(
    offsets: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
    *,
    width: int,
    implementation: kernels.Implementation = "auto",
) -> SparseRows:
    """The sum by rows, the columns of each row in order. Made in float64, from the first matrix to the last.

    Releases the GIL.

    Args:
        offsets: (R, I + 1) int64; row i of matrix r has the entries offsets[r, i] <= e < offsets[r, i + 1].
        columns: (E,) int32, in any order, also more than once.
        values: (E,) float32, above 0.
        width: V.

    Raises:
        ValueError: a shape, dtype or range differs.
        UserError: there is no such implementation.
    """
    match_shape(offsets, -1, -1, name="offsets")
    (entries,) = match_shape(columns, -1, name="columns")
    match_shape(values, entries, name="values")
    for name, array, dtype in (("offsets", offsets, "int64"), ("columns", columns, "int32")):
        if array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    if values.dtype != np.float32 or not (values > 0).all():
        raise ValueError("values must be float32 above 0")
    if (np.diff(offsets) < 0).any() or (offsets.size and not 0 <= offsets.min() <= offsets.max() <= entries):
        raise ValueError(f"offsets must never decrease in a matrix, and lie in 0..{entries}")
    if entries and not 0 <= int(columns.min()) <= int(columns.max()) < width:
        raise ValueError(f"columns has a number outside 0..{width - 1}")
    add = kernels.implementation("sparse_sum", implementation, columns)
    return SparseRows(*add(offsets, columns, values, width))
