"""numba: word after word, all its places, and the sums of one row of X at a time.

The authors' C program adds to a table of the commonest pairs and sorts all others. Here the positions are brought
into the order of their words first (a counting sort). A row of X is then V sums, which stay in the second-level cache
while the places of its word are gone through, and no pair is ever sorted or looked up: a bit for each sum that is not
zero, and a bit for each 64 of those, find them again in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

ONE = np.uint64(1)


def cooccurrences(ids: np.ndarray, begin: int, words: int, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.cooccurrences.cooccurrences`, for all of `ids` from `begin` on."""
    # Pages that nothing is written to take no memory.
    pairs = (len(ids) - begin) * window
    offsets, columns, values = np.empty(words + 1, np.int64), np.empty(pairs, np.int32), np.empty(pairs, np.float32)
    share = 1.0 / np.maximum(np.arange(window + 1), 1)
    length = _count(ids, begin, window, share, empty_row(words), offsets, columns, values)
    return offsets, columns[:length].copy(), values[:length].copy()


class Row(NamedTuple):
    """A row of V sums, and which of them are not zero."""

    sums: np.ndarray
    """(V,) float64"""
    bits: np.ndarray
    """uint64, a bit for each sum"""
    above: np.ndarray
    """uint64, a bit for each of `bits`"""


def empty_row(words: int) -> Row:
    bits = -(-words // 64)
    return Row(np.zeros(words), np.zeros(bits, np.uint64), np.zeros(-(-bits // 64), np.uint64))


@intrinsic
def _lowest_bit(typing_context: Any, number: Any) -> Any:
    """The place of the lowest bit of a uint64 that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@njit(nogil=True, cache=True, inline="always")
def add_to(row, column, value):
    """row[column] += value, for a value above 0."""
    # To look first whether the bits are set is slower: half of the answers come unforeseen.
    row.bits[column >> 6] |= ONE << np.uint64(column & 63)
    row.above[column >> 12] |= ONE << np.uint64(column >> 6 & 63)
    row.sums[column] += value


@njit(nogil=True, cache=True)
def take_row(row, length, columns, values):
    """Write what is not zero behind the first `length` entries, and make it zero; returns the new length."""
    for a in range(len(row.above)):
        above, row.above[a] = row.above[a], np.uint64(0)
        while above != 0:
            b = 64 * a + _lowest_bit(above)
            above &= above - ONE
            bits, row.bits[b] = row.bits[b], np.uint64(0)
            while bits != 0:
                column = 64 * b + _lowest_bit(bits)
                bits &= bits - ONE
                columns[length], values[length] = column, row.sums[column]
                row.sums[column] = 0.0
                length += 1
    return length


@njit(nogil=True, cache=True)
def _count(ids, begin, window, share, row, offsets, columns, values):
    words = len(offsets) - 1
    ends = np.zeros(words + 1, np.int64)  # place w + 1 holds where word w begins, and in the end where it ends
    for p in range(len(ids)):
        if ids[p] >= 0 and ids[p] + 2 <= words:
            ends[ids[p] + 2] += 1
    for w in range(1, words):
        ends[w + 1] += ends[w]
    places = np.empty(len(ids), np.int32)
    for p in range(len(ids)):
        if ids[p] >= 0:
            places[ends[ids[p] + 1]] = p
            ends[ids[p] + 1] += 1

    length = 0
    for w in range(words):
        offsets[w] = length
        for k in range(ends[w], ends[w + 1]):
            p = places[k]
            if p >= begin:
                for q in range(p - 1, max(p - window, 0) - 1, -1):
                    other = ids[q]
                    if other < 0:
                        break
                    if other >= w:
                        add_to(row, other, share[p - q] * (2.0 if other == w else 1.0))
            for q in range(p + 1, min(p + window, len(ids) - 1) + 1):
                other = ids[q]
                if other < 0:
                    break
                if other > w and q >= begin:
                    add_to(row, other, share[q - p])
        length = take_row(row, length, columns, values)
    offsets[words] = length
    return length
