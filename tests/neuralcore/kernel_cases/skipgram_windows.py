"""Cases of op `skipgram_windows`: whole streams and stretches of them, empty, one-word sentences, everything kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.skipgram_windows import Windows, alias_table

OP = "skipgram_windows"
SIZES = [  # (N positions, V words, begin, end, window, K negatives[, drawn for each pair])
    (0, 1, 0, 0, 5, 5),
    (1, 1, 0, 1, 1, 1),
    (40, 3, 0, 40, 1, 0),
    (300, 17, 0, 300, 5, 5),
    (300, 17, 97, 203, 4, 3),
    (300, 5000, 299, 300, 10, 13),
    (77, 2, 30, 30, 5, 5),
    (300, 17, 97, 203, 4, 3, True),
    (40, 3, 0, 40, 1, 0, True),
]
TOLERANCE = {"rtol": 0, "atol": 0}  # whole numbers: bit for bit


def make_case(size: tuple[int, ...], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(ids, begin, end, keep, probability, alias), keywords window, negatives, seed, epoch."""
    positions, words, begin, end, window, negatives, *pairs = size
    ids = rng.integers(0, words, positions).astype(np.int32)
    ids[rng.random(positions) < 0.1] = -1  # also at the start, and two in a row
    keep = np.minimum(rng.random(words) * 1.5, 1.0)
    probability, alias = alias_table(rng.random(words))
    keywords = {"window": window, "negatives": negatives, "seed": 2**62 + positions, "epoch": 3, "pairs": bool(pairs)}
    keywords["origin"] = begin * 10**10
    return (ids, begin, end, keep, probability, alias), keywords


def outputs(args: tuple[Any, ...], result: Windows) -> dict[str, Any]:
    """All that is drawn."""
    return result._asdict()
