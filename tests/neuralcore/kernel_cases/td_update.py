"""Cases of op `td_update`: no update, one pair named again and again, step sizes that stay and that fall."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "td_update"
SIZES = [(1, 1, 0, 0.0), (1, 1, 1, 1.0), (1, 2, 300, 0.0), (7, 3, 1, 0.8), (33, 5, 1_001, 0.65), (129, 4, 64, 1.0)]
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}  # float64; compiled powers may differ in the last bit


def make_case(size: tuple[int, int, int, float], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(q, visits, states, actions, targets, rate) of sizes (S, A, B, power)."""
    states, actions, updates, power = size
    table = rng.normal(size=(states, actions)), rng.integers(0, 9, (states, actions))
    pairs = rng.integers(0, states, updates), rng.integers(0, actions, updates)
    return (*table, *pairs, rng.normal(size=updates), 0.7), {"power": power}


def outputs(args: tuple[Any, ...], result: tuple[float, float]) -> dict[str, Any]:
    """What the call changed, and the sums it returned."""
    return {"q": args[0], "visits": args[1], "error_sum": result[0], "value_sum": result[1]}
