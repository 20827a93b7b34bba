"""Which rows of a table stood there before.

    rows  1 2   1 3   1 2      ->      first  0  1  0

Axes: B rows, C columns.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def repeated_rows(rows: np.ndarray, *, implementation: kernels.Implementation = "auto") -> np.ndarray:
    """(B,) int64: the first row equal to each; itself where there is none before it.

    Releases the GIL. All implementations give the same numbers.

    Args:
        rows: (B, C) of whole numbers.

    Raises:
        ValueError: the shape or dtype differs.
        UserError: there is no such implementation.
    """
    match_shape(rows, -1, -1, name="rows")
    if rows.dtype.kind not in "iu":
        raise ValueError(f"rows are {rows.dtype}, expected whole numbers")
    first: np.ndarray = kernels.implementation("repeated_rows", implementation, rows)(rows)
    return first
