"""Cases of op `skipgram`: no windows, windows without context words, repeated words everywhere, one row in all."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "skipgram"
SIZES = [  # (V words, P padded dimension, W windows, K negatives)
    (1, 1, 1, 1),
    (5, 3, 0, 2),
    (7, 16, 9, 5),
    (4, 17, 6, 0),
    (30, 112, 8, 5),
    (9, 33, 5, 7),
    (50, 20, 3, 13),
]
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}  # float32, sums in another order


def make_case(size: tuple[int, int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(input_table, output_table, targets, offsets, contexts, negatives, learning_rate)."""
    words, width, windows, count = size
    scale = 8.0 / np.sqrt(width)  # logits from well inside to far outside the bend of the sigmoid
    input_table, output_table = (rng.normal(0.0, scale, (words, width)).astype(np.float32) for _ in range(2))
    lengths = rng.integers(0, 7, windows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    targets, contexts, negatives = (
        rng.integers(0, words, shape).astype(np.int32) for shape in (windows, int(lengths.sum()), (windows, count))
    )
    return (input_table, output_table, targets, offsets, contexts, negatives, 0.05), {}


def outputs(args: tuple[Any, ...], result: float) -> dict[str, Any]:
    """What the call changed, its loss, and what it may not change."""
    return {
        "loss": np.array(result),
        **dict(zip(("input_table", "output_table", "targets", "offsets", "contexts", "negatives"), args)),
    }
