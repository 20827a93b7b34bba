"""Cases of op `exact_scores`: each metric, odd dimensions, one query and many, candidates that are the query."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "exact_scores"
SIZES = [
    (M, C, D, metric)
    for metric in ("dot", "cosine", "l2")
    for M, C, D in ((0, 1, 3), (1, 1, 1), (1, 16, 100), (5, 7, 6))
]
TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}


def make_case(size: tuple[int, int, int, str], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(queries, vectors, metric)."""
    M, C, D, metric = size
    queries, vectors = rng.normal(size=(M, D)).astype(np.float32), rng.normal(size=(M, C, D)).astype(np.float32)
    vectors[:, C // 2] = queries
    return (queries, vectors, metric), {}


def outputs(args: tuple[Any, ...], result: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Scores and scales; a distance of zero is no -0.0."""
    scores, scales = result
    return {"scores": scores, "scales": scales, "signs": np.signbit(scores) & (scores == 0)}
