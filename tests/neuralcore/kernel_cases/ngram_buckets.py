"""Cases of op `ngram_buckets`: no words, single characters, characters of one to four bytes, one bucket."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "ngram_buckets"
SIZES = [
    (0, 3, 6, 100),
    (1, 1, 1, 7),
    (40, 1, 3, 50),
    (40, 3, 6, 1),
    (25, 2, 9, 2_000_003),
]  # V, shortest, longest, B
TOLERANCE = {"rtol": 0, "atol": 0}
LETTERS = list("abcdeé中𝄞ß'<>")


def make_case(size: tuple[int, int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(text, offsets, shortest, longest, buckets)."""
    count, *settings = size
    words = [f"<{''.join(rng.choice(LETTERS, rng.integers(1, 9)))}>".encode() for _ in range(count)]
    text = np.frombuffer(b"".join(words), dtype=np.uint8).copy()
    offsets = np.cumsum([0, *map(len, words)]).astype(np.int64)
    return (text, offsets, *settings), {}


def outputs(args: tuple[Any, ...], result: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Where they begin, and which they are."""
    return {"begins": result[0], "buckets": result[1]}
