"""Op `ngram_buckets` by numba: the hash of an n-gram goes on from that of the one a character shorter."""

from __future__ import annotations

import numpy as np
from numba import njit

START, PRIME = np.uint32(2166136261), np.uint32(16777619)


def ngram_buckets(
    text: np.ndarray, offsets: np.ndarray, shortest: int, longest: int, buckets: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.ngram_buckets.ngram_buckets`."""
    begins = np.zeros(len(offsets), np.int64)
    _walk(text, offsets, shortest, longest, np.uint32(buckets), begins, np.empty(0, np.int32), False)
    found = np.empty(begins[-1], np.int32)
    _walk(text, offsets, shortest, longest, np.uint32(buckets), begins, found, True)
    return begins, found


@njit(cache=True, nogil=True)
def _walk(text, offsets, shortest, longest, buckets, begins, found, fill):
    """Count the n-grams of each word into `begins`, or fill in their buckets."""
    count = 0
    for word in range(offsets.size - 1):
        first, last = offsets[word], offsets[word + 1]
        for start in range(first, last):
            if text[start] & 0xC0 == 0x80:  # inside a character
                continue
            value, end, length = START, start, 0
            while end < last and length < longest:
                value = np.uint32(np.uint32(value ^ np.uint32(np.int8(text[end]))) * PRIME)
                end += 1
                while end < last and text[end] & 0xC0 == 0x80:
                    value = np.uint32(np.uint32(value ^ np.uint32(np.int8(text[end]))) * PRIME)
                    end += 1
                length += 1
                if length >= shortest and not (length == 1 and (start == first or end == last)):
                    if fill:
                        found[count] = value % buckets
                    count += 1
        begins[word + 1] = count
