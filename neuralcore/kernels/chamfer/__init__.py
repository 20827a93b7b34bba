"""Op `chamfer`: of each point of two clouds, the nearest point of the other (Fan et al. 2017, "A point set generation
network for 3D object reconstruction from a single image", section 4.1).

The distance of the paper is the sum of the squares, of both directions; means and gradients are the caller's
(`neuralcore.layers.chamfer`). Of equally near points the first is taken. Axes: B pairs of clouds, N points of the one
and M of the other, D coordinates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape


class Nearest(NamedTuple):
    """Both directions.

    Attributes:
        rows: (B, N) int64, which of the others is nearest to a point. squares: (B, N) float32, its squared distance.
        other_rows, other_squares: (B, M), the same of the others, to the points.
    """

    rows: Any
    squares: Any
    other_rows: Any
    other_squares: Any


def chamfer(points: Any, others: Any, *, implementation: kernels.Implementation = "auto") -> Nearest:
    """Nearest points in both directions.

    Args:
        points: (B, N, D) float32, N at least 1; C-contiguous as all arrays here, and finite (not checked here).
        others: (B, M, D) float32, M at least 1.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `points` lives.

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    pairs, count, width = match_shape(points, -1, -1, -1, name="points")
    (other_count,) = match_shape(others, pairs, -1, width, name="others")
    if not (count and other_count and width):
        raise ValueError(f"clouds need points, got {count} and {other_count} of {width} coordinates")
    for name, array in (("points", points), ("others", others)):
        if str(array.dtype).removeprefix("torch.") != "float32":
            raise ValueError(f"{name} are {array.dtype}, expected float32")
    return Nearest(*kernels.implementation("chamfer", implementation, points)(points, others))
