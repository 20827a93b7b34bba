"""Cases of op `tsne_repulsion`: one point, all in one place, small and wide layouts, and one that is nearly a line.

The fast one interpolates, so the forces are compared with their root mean square as the unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "tsne_repulsion"
SIZES = [
    (1, (1.0, 1.0)),
    (5, (0.0, 0.0)),
    (7, (3.0, 2.0)),
    (300, (1e-4, 1e-5)),
    (300, (3.0, 3.0)),
    (900, (9.0, 14.0)),
    (900, (40.0, 0.1)),
]  # (N, spread of the two coordinates)
TOLERANCE = {"rtol": 5e-3, "atol": 0.05}


def make_case(size: tuple[int, tuple[float, float]], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict]:
    """(Y,)."""
    N, spread = size
    return (100 + rng.normal(size=(N, 2)) * spread,), {}


def outputs(args: tuple[Any, ...], result: tuple[np.ndarray, float]) -> dict[str, Any]:
    """The forces in units of their own root mean square, it, and what they leave Q to be normalised by."""
    forces, total = result
    size = float(np.sqrt((forces**2).mean()))
    return {"forces": forces / size if size > 1e-12 else 0 * forces, "size": size, "log Z": np.log1p(total)}
