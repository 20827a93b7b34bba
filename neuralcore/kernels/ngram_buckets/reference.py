"""The truth in plain Python, on strings."""

from __future__ import annotations

import itertools

import numpy as np


def fasttext_hash(ngram: str) -> int:
    """32-bit FNV-1a, each byte widened with its sign as in fastText."""
    value = 2166136261
    for byte in ngram.encode():
        signed = byte - 256 if byte > 127 else byte
        value = ((value ^ (signed & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    return value


def ngram_buckets(
    text: np.ndarray, offsets: np.ndarray, shortest: int, longest: int, buckets: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.ngram_buckets.ngram_buckets`."""
    begins, found = [0], []
    for first, last in itertools.pairwise(offsets):
        word = bytes(text[first:last]).decode()
        for start in range(len(word)):
            for length in range(shortest, min(longest, len(word) - start) + 1):
                at_an_end = start == 0 or start + length == len(word)
                if not (length == 1 and at_an_end):
                    found.append(fasttext_hash(word[start : start + length]) % buckets)
        begins.append(len(found))
    return np.array(begins, dtype=np.int64), np.array(found, dtype=np.int32)
