"""Scores of candidates of a search, added up in float64: what settles the order of rows where float32 cannot.

    dot     s_mc = q_m · x_mc
    cosine  s_mc = q_m · x_mc / (|q_m| |x_mc|)
    l2      s_mc = -|q_m - x_mc|

    scale   max_c |q_m| |x_mc|, for l2 max_c (|q_m| + |x_mc|)², which float32 scores are rounded in proportion to

Axes: M queries, C candidates of each, D dimension.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.errors import nearest
from neuralcore.shape import match_shape

METRICS = ("dot", "cosine", "l2")  # by number, as compiled code takes them


def exact_scores(
    queries: np.ndarray, vectors: np.ndarray, metric: str, *, implementation: kernels.Implementation = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (M, C) float32, more is nearer and no -0.0, and scales (M,) float64.

    A candidate's score does not depend on its place among the others. Releases the GIL.

    Args:
        queries: (M, D) float32. vectors: (M, C, D) float32, C at least 1; for the cosine none of them is zero.

    Raises:
        ValueError: a shape or dtype differs, or there is no such metric.
        UserError: there is no such implementation.
    """
    M, D = queries.shape
    match_shape(vectors, M, -1, D, name="vectors")
    if queries.dtype != np.float32 or vectors.dtype != np.float32:
        raise ValueError(f"queries are {queries.dtype}, vectors {vectors.dtype}: expected float32")
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r}: {nearest(metric, METRICS)}")
    return kernels.implementation("exact_scores", implementation, queries)(queries, vectors, METRICS.index(metric))
