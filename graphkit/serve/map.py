"""The map: all rows, or 50,000 of them, as points of the plane by their first two principal components.

Axes: N rows, M of them on the map, D dimension.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from graphkit.serve.served import Served

POINTS = 50_000
KINDS = 255  # of which a byte can tell
KIND = "type"  # the attribute that colours are by


def layout(served: Served) -> dict[str, Any]:
    """Rows, their points in [-1, 1] and their kinds, as /map gives them.

    Of more rows than `POINTS` the first are taken where rows come by frequency, as words do, and else evenly spread
    ones, for those of a graph come type by type.
    """
    index = served.index
    rows = np.flatnonzero(~index._lookup.removed)
    if len(rows) > POINTS:
        rows = rows[:POINTS] if served.words is not None else rows[np.linspace(0, len(rows) - 1, POINTS).astype(int)]
    points = principal_plane(index.faiss.reconstruct_batch(rows))
    points /= max(float(np.abs(points).max(initial=0.0)), 1e-30)
    kinds, kind = [""], np.zeros(len(rows), np.uint8)
    column = index.attributes.get(KIND)
    if column is not None and column.texts is not None and len(column.texts) <= KINDS:
        kinds, kind = list(column.texts), column.values[rows].astype(np.uint8)
    return {
        "method": "pca",
        "rows": rows.tolist(),
        "points": base64.b64encode(points.astype("<f4").tobytes()).decode(),
        "kinds": kinds,
        "kind": base64.b64encode(kind.tobytes()).decode(),
    }


def principal_plane(X: np.ndarray) -> np.ndarray:
    """(M, 2) float64: X (M, D), centred, on the two eigenvectors of its covariance with the largest eigenvalues.

    By a (D, D) matrix, and not by decomposing all of X as `graphkit.tsne.principal_components` does: a tenth of the
    time where rows are many. An eigenvector's sign is free; its largest entry is made positive.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((X.shape[1],) * 2)
    for start in range(0, len(X), 4096):
        part = X[start : start + 4096] - mean
        covariance += part.T @ part
    vectors = np.linalg.eigh(covariance)[1][:, ::-1][:, :2]
    vectors = vectors * np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0))
    points = np.concatenate([(X[start : start + 4096] - mean) @ vectors for start in range(0, len(X), 4096)])
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
