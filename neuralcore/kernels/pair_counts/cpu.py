"""numba: a hash table with open addressing from a pair, two ids in one 64-bit number, to its count.

Compiled code stops before the table is two thirds full; it is made twice as large, and counting goes on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

MIX, SHIFT, ONE = np.uint64(0x9E3779B97F4A7C15), np.uint64(29), np.uint64(1)
FREE = -1
SLOTS = 1 << 16  # at first


def pair_counts(
    ids: np.ndarray, counts: np.ndarray, discount: float, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.pair_counts.pair_counts`."""
    keys, found = np.full(SLOTS, FREE, dtype=np.int64), np.zeros(SLOTS, dtype=np.int64)
    at, used = 1, 0
    total = float(counts.sum())
    while True:
        at, used = _count(np.asarray(ids), at, counts, discount, threshold, total, keys, found, used)
        if at >= len(ids):
            break
        larger, larger_found = np.full(2 * len(keys), FREE, dtype=np.int64), np.zeros(2 * len(keys), dtype=np.int64)
        _move(keys, found, larger, larger_found)
        keys, found = larger, larger_found
    length = _above(keys, found, counts, discount, threshold, total)
    order = np.argsort(keys[:length])
    keys = keys[order]
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32), found[order]


@njit(nogil=True, cache=True)
def _slot(key, keys):
    """Where a pair is, or would be."""
    mask = np.uint64(len(keys) - 1)
    mixed = np.uint64(key) * MIX
    slot = (mixed ^ (mixed >> SHIFT)) * MIX >> SHIFT & mask
    while keys[slot] != FREE and keys[slot] != key:
        slot = (slot + ONE) & mask
    return slot


@njit(nogil=True, cache=True)
def _move(keys, found, larger, larger_found):
    for i in range(len(keys)):
        if keys[i] != FREE:
            slot = _slot(keys[i], larger)
            larger[slot], larger_found[slot] = keys[i], found[i]


@njit(nogil=True, cache=True)
def _is_above(of_both, of_a, of_b, discount, threshold, total):
    return (of_both - discount) * total > threshold * np.float64(of_a) * np.float64(of_b)


@njit(nogil=True, cache=True)
def _above(keys, found, counts, discount, threshold, total):
    """Brings the pairs above the threshold to the front; returns how many they are."""
    length = 0
    for i in range(len(keys)):
        key = keys[i]
        if key != FREE and _is_above(
            found[i], counts[key >> 32], counts[key & 0xFFFFFFFF], discount, threshold, total
        ):
            keys[length], found[length] = key, found[i]
            length += 1
    return length


@njit(nogil=True, cache=True)
def _count(ids, at, counts, discount, threshold, total, keys, found, used):
    """Where it stopped, and how many pairs there are."""
    while at < len(ids):
        a, b = ids[at - 1], ids[at]
        # The rarer word's count is the most that the pair's can be.
        if (
            a >= 0
            and b >= 0
            and _is_above(min(counts[a], counts[b]), counts[a], counts[b], discount, threshold, total)
        ):
            key = np.int64(a) << 32 | np.int64(b)
            slot = _slot(key, keys)
            if keys[slot] == FREE:
                if 3 * used > 2 * len(keys):
                    return at, used
                keys[slot] = key
                used += 1
            found[slot] += 1
        at += 1
    return at, used
