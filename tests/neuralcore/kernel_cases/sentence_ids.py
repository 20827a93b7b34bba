"""Cases of op `sentence_ids`: nothing, only line ends, all words left out, lines much longer than a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "sentence_ids"
SIZES = [(0, 1, 3, 0.5), (5, 1, 1, 1.0), (400, 9, 4, 0.0), (400, 9, 4, 0.5), (5_000, 300, 11, 0.02)]
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, int, int, float], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(numbers, offsets, ids, sentence), keyword length, of (N numbers, C chunks, length, share of line ends)."""
    count, chunks, length, ends = size
    numbers = np.where(rng.random(count) < ends, -1, rng.integers(0, chunks, count)).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(rng.choice([0, 1, 1, 1, 5], chunks))])
    ids = rng.integers(-1, 50, offsets[-1]).astype(np.int32)
    sentence = np.array([length - 1, 1])  # left open by a text before
    return (numbers, offsets, ids, sentence), {"length": length}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, Any]:
    """The stream, and the sentence left open."""
    return {"stream": result, "sentence": args[3]}
