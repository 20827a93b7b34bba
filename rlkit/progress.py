"""How a planner says how far it is."""

from __future__ import annotations

from collections.abc import Callable

# Called after each iteration with the share of the work that is done, in [0, 1], the number of iterations, and the
# residual or largest change of the last one.
Progress = Callable[[float, int, float], None]


def silent(done: float, iterations: int, residual: float) -> None:
    """Tell nobody."""
