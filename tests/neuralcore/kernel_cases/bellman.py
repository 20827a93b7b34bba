"""Cases of op `bellman`, in both storages: rows of uneven length, empty ones, ends, repeated successors."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.bellman import Rows, Table

OP = "bellman"
# (S, A, D): D successors in a table, 0 for rows; 128 states are a block of the GPU's
SIZES = [
    (1, 1, 0),
    (2, 3, 0),
    (7, 1, 0),
    (33, 5, 0),
    (129, 4, 0),
    (300, 2, 0),
    (1, 1, 1),
    (7, 3, 2),
    (129, 4, 4),
    (300, 1, 5),
]
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}  # float64, sums in another order


def make_case(size: tuple[int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(transitions, rewards, values, discount) of a random MDP, in rows of up to 6 outcomes or as a table."""
    states, actions, _ = size
    transitions = make_transitions(size, rng)
    return (transitions, rng.normal(size=(states, actions)), rng.normal(size=states), 0.9), {}


def make_transitions(size: tuple[int, int, int], rng: np.random.Generator) -> Rows | Table:
    states, actions, width = size
    if width:  # sums of at most 1
        successors = rng.integers(-1, states, (states, width)).astype(np.int32)
        return Table(successors, rng.dirichlet(np.ones(width + 1), actions)[:, :width].copy())
    lengths = rng.integers(0, 7, states * actions)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    indices = rng.integers(0, states, indptr[-1]).astype(np.int32)
    return Rows(indptr, indices, rng.random(indptr[-1]) / 6)


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The arrays every implementation must agree on."""
    return {"values": result.values, "q": result.q, "residual": result.residual}
