"""The map: all rows, or 50,000 of them, as points of the plane.

By their first two principal components, which are found when they are asked for; or by t-SNE, where `graphkit map`
has laid them out beforehand.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from graphkit.search.plane import POINTS, in_unit_square, rows_to_show
from graphkit.serve.served import Served
from graphkit.tsne import principal_plane

KINDS = 255  # of which a byte can tell
KIND = "type"  # the attribute that colours are by


def methods(served: Served) -> list[str]:
    """The maps there are, the one to begin with first."""
    return ["pca"] if served.plane is None else [served.plane.details["method"], "pca"]


def layout(served: Served, method: str) -> dict[str, Any]:
    """Rows, their points in [-1, 1] and their kinds, as /map gives them; `method` is one of `methods`."""
    index = served.index
    if method == "pca":
        rows = rows_to_show(index, POINTS, by_frequency=served.words is not None)
        points = in_unit_square(principal_plane(index.faiss.reconstruct_batch(rows)))
    else:
        assert served.plane is not None
        rows, points = served.plane.rows, served.plane.points
    kinds, kind = [""], np.zeros(len(rows), np.uint8)
    column = index.attributes.get(KIND)
    if column is not None and column.texts is not None and len(column.texts) <= KINDS:
        kinds, kind = list(column.texts), column.values[rows].astype(np.uint8)
    return {
        "method": method,
        "methods": methods(served),
        "rows": rows.tolist(),
        "points": base64.b64encode(points.astype("<f4").tobytes()).decode(),
        "kinds": kinds,
        "kind": base64.b64encode(kind.tobytes()).decode(),
    }
