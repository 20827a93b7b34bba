"""Cases of op `random_walks`: dead ends, rows of one edge, weights, p and q on all sides of 1, far from 1."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "random_walks"
SIZES = [  # (N nodes, E edges, W walks, L length, p, q, weighted)
    (1, 0, 1, 5, 1.0, 1.0, False),
    (7, 12, 0, 5, 0.5, 2.0, False),
    (30, 90, 40, 1, 1.0, 1.0, True),
    (30, 90, 40, 33, 1.0, 1.0, False),
    (30, 90, 40, 33, 1.0, 1.0, True),
    (30, 300, 40, 33, 0.25, 0.25, False),
    (30, 300, 40, 33, 0.25, 0.25, True),
    (30, 300, 40, 33, 0.25, 4.0, False),  # 1/p above all: set apart
    (30, 300, 40, 33, 0.25, 4.0, True),
    (30, 300, 40, 33, 4.0, 0.5, True),
    (30, 90, 40, 33, 1.0, 3.0, False),
    (30, 90, 40, 17, 1e6, 1e6, False),  # hardly ever accepted: rows are summed up
    (30, 90, 40, 17, 1e6, 1e6, True),
]
TOLERANCE = {"rtol": 0, "atol": 0}  # whole numbers: bit for bit


def make_case(size: tuple[Any, ...], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(offsets, neighbours, starts), keywords cumulative, length, p, q, seed, epoch, first."""
    nodes, edges, walks, length, p, q, weighted = size
    pairs = np.unique(rng.integers(0, nodes, (edges, 2)), axis=0)
    offsets = np.searchsorted(pairs[:, 0], np.arange(nodes + 1)).astype(np.int64)
    cumulative = None
    if weighted:
        weights = rng.random(len(pairs)) + 0.01
        cumulative = np.concatenate([np.cumsum(row) for row in np.split(weights, offsets[1:-1])])
    keywords = {"cumulative": cumulative, "length": length, "p": p, "q": q, "seed": 2**62 + walks, "epoch": 3}
    starts = rng.integers(0, nodes, walks).astype(np.int32)
    return (offsets, pairs[:, 1].astype(np.int32), starts), {**keywords, "first": 1000}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, Any]:
    """The walks."""
    return {"walks": result}
