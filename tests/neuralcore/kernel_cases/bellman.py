"""Cases of op `bellman`, in both storages: rows of uneven length, empty ones, ends, repeated successors."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.bellman import Rows, Table

OP = "bellman"
# (S, A, D, with a policy): D successors in a table, 0 for rows; 128 states are a block of the GPU's
SIZES = [
    (1, 1, 0, False),
    (2, 3, 0, False),
    (7, 1, 0, False),
    (33, 5, 0, True),
    (129, 4, 0, False),
    (300, 2, 0, True),
    (1, 1, 1, False),
    (7, 3, 2, True),
    (129, 4, 4, False),
    (300, 1, 5, False),
    (130, 3, 4, True),
]
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}  # float64, sums in another order


def make_case(size: tuple[int, int, int, bool], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(transitions, rewards, values, discount) of a random MDP, in rows of up to 6 outcomes or as a table."""
    states, actions, width, follows = size
    transitions = make_transitions((states, actions, width), rng)
    policy = rng.integers(0, actions, states).astype(np.int32) if follows else None
    arguments = transitions, rng.normal(size=(states, actions)), rng.normal(size=states), 0.9
    return arguments, {"policy": policy}


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
    found = {"values": result.values, "policy": result.policy, "residual": result.residual}
    found |= {"lowest": result.lowest, "highest": result.highest}
    return found if result.q is None else {**found, "q": result.q}
