"""numba: the pairs of a first word lie together, so a word's are found by an index and its partner by bisection."""

from __future__ import annotations

import numpy as np
from numba import njit


def join_pairs(ids: np.ndarray, pairs: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """As `neuralcore.kernels.join_pairs.join_pairs`."""
    words = max(int(ids.max(initial=0)), int(pairs[:, 0].max(initial=0))) + 1
    begins = np.searchsorted(pairs[:, 0], np.arange(words + 1))
    stream = np.empty(len(ids), np.int32)
    length = _join(np.asarray(ids), begins, np.ascontiguousarray(pairs[:, 1]), joined, stream)
    return stream[:length]


@njit(nogil=True, cache=True)
def _join(ids, begins, partners, joined, stream):
    at, length = 0, 0
    while at < len(ids):
        word, step = ids[at], 1
        if word >= 0 and at + 1 < len(ids) and ids[at + 1] >= 0:
            low, end = begins[word], begins[word + 1]
            high = end
            while low < high:
                middle = (low + high) // 2
                if partners[middle] < ids[at + 1]:
                    low = middle + 1
                else:
                    high = middle
            if low < end and partners[low] == ids[at + 1]:
                word, step = joined[low], 2
        stream[length] = word
        length += 1
        at += step
    return length
