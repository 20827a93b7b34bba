"""How many scores of each row lie above and below one of its own: what its rank is made of, in one reading.

    above_b = | { k : s_bk > t_b } |,  below_b = | { k : s_bk < t_b } |

A score that is NaN is neither.

Axes: B rows, K scores of a row.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def rank_counts(
    scores: np.ndarray, true: np.ndarray, *, implementation: kernels.Implementation = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Above (B,) and below (B,), int64, of scores (B, K) beside `true` (B,). Releases the GIL.

    Args:
        scores: (B, K) float32. true: (B,) float32.

    Raises:
        ValueError: shapes or dtypes differ. UserError: there is no such implementation.
    """
    B, _ = match_shape(scores, -1, -1, name="scores")
    match_shape(true, B, name="true")
    for name, array in (("scores", scores), ("true", true)):
        if array.dtype != np.float32:
            raise ValueError(f"{name} are {array.dtype}: expected float32")
    return kernels.implementation("rank_counts", implementation, scores)(scores, true)
