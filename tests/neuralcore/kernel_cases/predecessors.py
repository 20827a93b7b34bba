"""Cases of op `predecessors`: both storages, repeated successors, ends, and rows too long to look for repeats."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.bellman import Rows, Table

OP = "predecessors"
SIZES = [(1, 1, 1), (5, 0, 3), (40, 2, 9), (9, 2, 50), (30, 0, 90), (17, 3, 0)]  # (S, A or 0 for a table, outcomes)
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    states, actions, outcomes = size
    if not actions:
        return (
            Table(rng.integers(-1, states, (states, outcomes)).astype(np.int32), np.ones((2, outcomes))),
            states,
        ), {}
    lengths = rng.integers(0, outcomes + 1, states * actions)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    indices = rng.integers(0, states, indptr[-1]).astype(np.int32)
    return (Rows(indptr, indices, np.ones(indptr[-1])), states), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    return {"indptr": result.indptr, "sources": result.sources}
