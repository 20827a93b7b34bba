"""Rows of length one, their lengths added up in float64: what the cosine of a query is made of, in one go.

    u_m = x_m / |x_m|

Axes: M rows, D dimension.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def unit_rows(rows: np.ndarray, *, implementation: kernels.Implementation = "auto") -> tuple[np.ndarray, np.ndarray]:
    """Rows (M, D) float32 of length one, and the squares (M,) float64 of the lengths that they had.

    Where a square is 0 or no finite number, the row is 0. Releases the GIL.

    Args:
        rows: (M, D) float32.

    Raises:
        ValueError: the shape or dtype differs. UserError: there is no such implementation.
    """
    match_shape(rows, -1, -1, name="rows")
    if rows.dtype != np.float32:
        raise ValueError(f"rows are {rows.dtype}: expected float32")
    return kernels.implementation("unit_rows", implementation, rows)(rows)
