"""Cases of op `bellman` for the conformance test: rows of uneven length, empty ones, and an action that ends it."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "bellman"
SIZES = [(1, 1), (2, 3), (7, 1), (33, 5), (129, 4), (300, 2)]  # (S, A); 128 states are a block of the GPU's
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}  # float64, sums in another order


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(indptr, indices, probabilities, rewards, values, discount) of a random MDP with up to 6 outcomes a row."""
    states, actions = size
    lengths = rng.integers(0, 7, states * actions)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    indices = rng.integers(0, states, indptr[-1]).astype(np.int32)
    probabilities = rng.random(indptr[-1]) / 6  # rows sum to at most 1
    rewards = rng.normal(size=(states, actions))
    return (indptr, indices, probabilities, rewards, rng.normal(size=states), 0.9), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The arrays every implementation must agree on."""
    return {
        "values": result.values,
        "q": result.q,
        "residual": result.residual,
    }
