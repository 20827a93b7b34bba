"""Cases of op `backward_order`: no source, all sources, states that are never reached."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.predecessors import Predecessors

OP = "backward_order"
SIZES = [(1, 0.0, 1), (1, 1.0, 1), (6, 1.0, 2), (50, 0.05, 2), (200, 0.01, 1), (300, 0.02, 3)]  # (S, sources, edges)
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, float, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    states, fraction, most = size
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, most + 1, states))])
    sources = rng.integers(0, states, indptr[-1]).astype(np.int32)
    return (Predecessors(indptr, sources), rng.random(states) < fraction), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    return {"order": result.order, "reached": np.array(result.reached), "layers": np.array(result.layers)}
