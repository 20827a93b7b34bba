"""Cases of op `skipgram`: no windows, windows without context words, repeated words everywhere, one row in all."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "skipgram"
SIZES = [  # (V words, U output rows, P padded dimension, W windows, R outputs[, by margins])
    (1, 1, 1, 1, 1),
    (5, 4, 3, 0, 3),
    (7, 9, 16, 9, 6),
    (4, 4, 17, 6, 1),
    (30, 30, 112, 8, 6),
    (9, 40, 33, 5, 8),
    (50, 20, 32, 3, 19),
    (5, 5, 16, 4, 0),
    (7, 9, 16, 9, 6, True),
    (9, 40, 33, 5, 14, True),
    (4, 4, 112, 6, 1, True),
]
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}  # float32, sums in another order


def make_case(
    size: tuple[int, int, int, int, int], rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(input_table, output_table, outputs, signs, offsets, contexts, learning_rate)."""
    words, rows, width, windows, count, *by_margin = size
    scale = 8.0 / np.sqrt(width)  # logits from well inside to far outside the bend of the sigmoid
    input_table, output_table = (rng.normal(0.0, scale, (n, width)).astype(np.float32) for n in (words, rows))
    lengths = rng.integers(0, 7, windows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    contexts = rng.integers(0, words, int(lengths.sum())).astype(np.int32)
    outputs = np.full((windows, count), -1, np.int32)
    for w in range(windows):  # every row at most once, and some places empty
        found = rng.permutation(rows)[:count]
        outputs[w, rng.permutation(count)[: len(found)]] = np.where(rng.random(len(found)) < 0.8, found, -1)
    signs = rng.choice(np.array([-1, 1], np.int8), (windows, count))
    if by_margin:  # the first output is there and the only one of sign 1
        outputs[:, 0], signs[:, 0], signs[:, 1:] = rows - 1, 1, -1
        outputs[:, 1:] = np.where(outputs[:, 1:] == rows - 1, -1, outputs[:, 1:])
    return (input_table, output_table, outputs, signs, offsets, contexts, 0.05), {"margin": bool(by_margin)}


def outputs(args: tuple[Any, ...], result: float) -> dict[str, Any]:
    """What the call changed, its loss, and what it may not change."""
    names = ("input_table", "output_table", "outputs", "signs", "offsets", "contexts")
    return {"loss": np.array(result), **dict(zip(names, args))}
