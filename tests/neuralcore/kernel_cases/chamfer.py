"""Cases of op `chamfer`: one point, odd counts, points that coincide, more than a tile, no pair at all.

Coordinates are sixteenths, so that squares are exact and equally near points are met; the first must be taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "chamfer"
# (B, N, M, D)
SIZES = [(1, 1, 1, 3), (2, 7, 5, 3), (3, 33, 130, 3), (1, 70, 3, 2), (2, 20, 40, 1), (0, 4, 4, 3)]
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[Any, ...], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(points, others)."""
    pairs, count, other_count, width = size
    points, others = (
        (rng.integers(-20, 20, (pairs, n, width)) / 16).astype(np.float32) for n in (count, other_count)
    )
    return (points, others), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """Both directions."""
    return result._asdict()
