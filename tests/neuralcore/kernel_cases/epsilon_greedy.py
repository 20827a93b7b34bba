"""Cases of op `epsilon_greedy`: ties of all sizes, no exploration, nothing else, and the edges of [0, 1)."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "epsilon_greedy"
SIZES = [(1, 1, 1, 0.5), (3, 4, 0, 0.1), (7, 5, 1_001, 0.0), (7, 5, 1_001, 1.0), (33, 3, 500, 0.3)]
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, int, int, float], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(q, states, epsilon, uniforms) of sizes (S, A, N, epsilon); values of three kinds, so that many tie."""
    states, actions, draws, epsilon = size
    uniforms = rng.random(draws)
    uniforms[: draws // 3] = rng.choice([0.0, epsilon, np.nextafter(epsilon, 0), np.nextafter(1, 0)], draws // 3)
    uniforms = uniforms.clip(0.0, np.nextafter(1, 0))
    q = rng.integers(-1, 2, (states, actions)).astype(np.float64)
    return (q, rng.integers(0, states, draws), epsilon, uniforms), {}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, Any]:
    """The actions."""
    return {"actions": result}
