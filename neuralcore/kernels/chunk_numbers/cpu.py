"""numba: a hash table with open addressing. A slot holds 32 bits of the hash and the number, so a chunk that is there
costs a look at its slot and one at its bytes.

Compiled code cannot make room: it stops before the chunk that does not fit, room is made, and it goes on from there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.chunk_numbers import LINE_END, ChunkTable

START, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a, 64 bits
MIX, HALF, LOW = np.uint64(0x9E3779B97F4A7C15), np.uint64(32), np.int64(0xFFFFFFFF)
ZERO, ONE = np.uint64(0), np.uint64(1)
FREE = -1


def chunk_numbers(text: np.ndarray, table: ChunkTable) -> np.ndarray:
    """As `neuralcore.kernels.chunk_numbers.chunk_numbers`."""
    numbers = np.empty(len(text), np.int32)
    at = written = 0
    if table.indexed < table.size:
        _make_room(table, 0)
    while True:
        at, written, table.size, needed = _scan(
            text, at, table.slots, table.lines, table.ends, table.counts, table.size, numbers, written
        )
        table.indexed = table.size
        if at == len(text):
            return numbers[:written].copy()
        _make_room(table, needed)


def _make_room(table: ChunkTable, needed: int) -> None:
    """For one chunk more, of `needed` bytes with its line end: each full array becomes twice as large."""
    used = table.begin(table.size)
    if used + needed > len(table.lines):
        table.lines = _longer(table.lines, max(2 * len(table.lines), used + needed))
    if table.size == len(table.ends):
        table.ends = _longer(table.ends, 2 * table.size + 2)
        table.counts = _longer(table.counts, 2 * table.size + 2)
    if _full(table.size + 1, len(table.slots)) or table.indexed < table.size:
        slots = len(table.slots)
        while _full(table.size + 1, slots):
            slots *= 2
        table.slots = np.full(slots, FREE, dtype=np.int64)
        _index(table.slots, table.lines, table.ends, table.size)
        table.indexed = table.size


def _longer(array: np.ndarray, length: int) -> np.ndarray:
    longer = np.empty(length, array.dtype)
    longer[: len(array)] = array
    return longer


@njit(nogil=True, cache=True)
def _full(chunks, slots):
    """Whether so many would make the rows of taken slots long."""
    return 3 * chunks > 2 * slots


@njit(nogil=True, cache=True)
def _mixed(sum_):
    """FNV's last bytes have hardly reached its upper half, which tells chunks of one slot apart."""
    sum_ = (sum_ ^ (sum_ >> HALF)) * MIX
    return sum_ ^ (sum_ >> HALF)


@njit(nogil=True, cache=True)
def _index(slots, lines, ends, size):
    mask = np.uint64(len(slots) - 1)
    begin = 0
    for number in range(size):
        sum_ = START
        for i in range(begin, ends[number] - 1):
            sum_ = (sum_ ^ np.uint64(lines[i])) * PRIME
        sum_ = _mixed(sum_)
        slot = sum_ & mask
        while slots[slot] != FREE:
            slot = (slot + ONE) & mask
        slots[slot] = (np.int64(sum_ >> HALF) >> 1 << 32) | number
        begin = ends[number]


@njit(nogil=True, cache=True)
def _scan(text, at, slots, lines, ends, counts, size, numbers, written):
    """Where it stopped, how many numbers and chunks there are, and how many bytes the next one needs.

    Places are unsigned, so that numba need not ask of each whether it counts from the end.
    """
    stop, at, written = np.uint64(len(text)), np.uint64(at), np.uint64(written)
    mask = np.uint64(len(slots) - 1)
    used = np.uint64(ends[size - 1]) if size else ZERO
    while at < stop:
        byte = text[at]
        if byte <= 32 and (byte == 32 or 9 <= byte <= 13 or byte >= 28):
            if byte == 10:
                numbers[written] = LINE_END
                written += ONE
            at += ONE
            continue
        begin, sum_ = at, START
        while True:
            sum_ = (sum_ ^ np.uint64(byte)) * PRIME
            at += ONE
            if at == stop:
                break
            byte = text[at]
            if byte <= 32 and (byte == 32 or 9 <= byte <= 13 or byte >= 28):
                break
        length = at - begin
        sum_ = _mixed(sum_)
        mark = np.int64(sum_ >> HALF) >> 1  # 31 bits, so that no taken slot looks free
        slot = sum_ & mask
        number = np.int64(-1)
        while slots[slot] != FREE:
            if slots[slot] >> 32 == mark:
                known = np.uint64(slots[slot] & LOW)
                first = np.uint64(ends[known - ONE]) if known else ZERO
                if np.uint64(ends[known]) - first == length + ONE:
                    same = ZERO
                    while same < length and lines[first + same] == text[begin + same]:
                        same += ONE
                    if same == length:
                        number = np.int64(known)
                        break
            slot = (slot + ONE) & mask
        if number < 0:
            if used + length + ONE > np.uint64(len(lines)) or size == len(ends) or _full(size + 1, len(slots)):
                return np.int64(begin), np.int64(written), size, np.int64(length) + 1
            for i in range(length):
                lines[used + i] = text[begin + i]
            lines[used + length] = 10
            used += length + ONE
            number = np.int64(size)
            ends[number], counts[number] = used, 0
            slots[slot] = mark << 32 | number
            size += 1
        counts[np.uint64(number)] += 1
        numbers[written] = number
        written += ONE
    return np.int64(at), np.int64(written), size, 0
