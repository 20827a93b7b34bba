"""numba: a hash table with open addressing. A slot holds 31 bits of the hash and the number, so a name that is there
costs a look at its slot and one at its bytes.

The hashes of some rows are made first and looked up afterwards: a row need then not wait for the one before, and the
processor fetches the slots of several at once. Compiled code cannot make room: it stops before the name that does not
fit, room is made, and it goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from neuralcore.kernels.name_numbers import UNKNOWN, Column, NameTable

START, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a, 64 bits
MIX, HALF, LOW = np.uint64(0x9E3779B97F4A7C15), np.uint64(32), np.int64(0xFFFFFFFF)
ONE = np.uint64(1)
FREE = -1
ROWS = 1 << 14  # whose hashes are made at once


def name_numbers(
    columns: Sequence[Column], table: NameTable, kinds: Sequence[np.ndarray], add: bool
) -> np.ndarray:
    """As `neuralcore.kernels.name_numbers.name_numbers`."""
    rows = len(kinds[0])
    numbers = np.empty((rows, len(columns)), np.int32)
    if table.indexed < table.size:
        _make_room(table, 0)
    hashes = np.empty((min(rows, ROWS), len(columns)), np.uint64)
    (data, offsets), (other, other_offsets) = columns[0], columns[-1]
    for start in range(0, rows, ROWS):
        stop = min(start + ROWS, rows)
        for column, (values, ends) in enumerate(columns):
            _hash(values, ends[start : stop + 1], kinds[column][start:stop], hashes[:, column])
        at = 0
        while True:
            at, table.size, needed = _number(
                data, offsets[start : stop + 1], kinds[0][start:stop],
                other, other_offsets[start : stop + 1], kinds[-1][start:stop],
                hashes[: stop - start], at, table.slots, table.data, table.offsets, table.kinds, table.size,
                numbers[start:stop], add,
            )  # fmt: skip
            table.indexed = table.size
            if at == (stop - start) * len(columns):
                break
            _make_room(table, needed)
    return numbers


def _make_room(table: NameTable, needed: int) -> None:
    """For one name more, of `needed` bytes: each full array becomes twice as large, and is moved rather than copied
    where the system can."""
    used = int(table.offsets[table.size])
    if used + needed > len(table.data):
        table.data = _longer(table.data, max(2 * len(table.data), used + needed))
    if needed and table.size + 2 > len(table.offsets):
        table.offsets = _longer(table.offsets, 2 * table.size + 2)
        table.kinds = _longer(table.kinds, 2 * table.size + 1)
    if _full(table.size + 1, len(table.slots)) or table.indexed < table.size:
        slots = len(table.slots)
        while _full(table.size + 1, slots):
            slots *= 2
        table.slots = np.empty(0, np.int64)  # the old ones go before the new ones come
        table.slots = np.full(slots, FREE, np.int64)
        _index(table.slots, table.data, table.offsets, table.kinds, table.size)
        table.indexed = table.size


def _longer(array: np.ndarray, length: int) -> np.ndarray:
    if not array.flags.owndata:
        array = array.copy()
    array.resize(length, refcheck=False)
    return array


@njit(nogil=True, cache=True)
def _full(names, slots):
    """Whether so many would make the rows of taken slots long."""
    return 3 * names > 2 * slots


@njit(nogil=True, cache=True)
def _hash_of(data, begin, end, kind):
    sum_ = START ^ np.uint64(kind)
    for i in range(begin, end):
        sum_ = (sum_ ^ np.uint64(data[i])) * PRIME
    sum_ = (sum_ ^ (sum_ >> HALF)) * MIX  # FNV's last bytes have hardly reached its upper half
    return sum_ ^ (sum_ >> HALF)


@njit(nogil=True, cache=True)
def _hash(data, offsets, kinds, hashes):
    for row in range(len(kinds)):
        hashes[row] = _hash_of(data, offsets[row], offsets[row + 1], kinds[row])


@njit(nogil=True, cache=True)
def _index(slots, data, offsets, kinds, size):
    mask = np.uint64(len(slots) - 1)
    for number in range(size):
        sum_ = _hash_of(data, offsets[number], offsets[number + 1], kinds[number])
        slot = sum_ & mask
        while slots[slot] != FREE:
            slot = (slot + ONE) & mask
        slots[slot] = (np.int64(sum_ >> HALF) >> 1 << 32) | number


@njit(nogil=True, cache=True)
def _number(
    data_0, offsets_0, kinds_0, data_1, offsets_1, kinds_1, hashes, at, slots, data, offsets, kinds, size, numbers, add
):
    """Where it stopped (row · columns + column), how many names there are, how many bytes the next one needs."""
    columns = hashes.shape[1]
    mask = np.uint64(len(slots) - 1)
    for place in range(at, len(hashes) * columns):
        row, column = place // columns, place % columns
        if column:
            begin, length, kind = offsets_1[row], offsets_1[row + 1] - offsets_1[row], kinds_1[row]
        else:
            begin, length, kind = offsets_0[row], offsets_0[row + 1] - offsets_0[row], kinds_0[row]
        sum_ = hashes[row, column]
        mark = np.int64(sum_ >> HALF) >> 1  # 31 bits, so that no taken slot looks free
        slot = sum_ & mask
        number = np.int64(UNKNOWN)
        while slots[slot] != FREE:
            if slots[slot] >> 32 == mark:
                known = slots[slot] & LOW
                first = offsets[known]
                if offsets[known + 1] - first == length and kinds[known] == kind:
                    same = 0
                    if column:
                        while same < length and data[first + same] == data_1[begin + same]:
                            same += 1
                    else:
                        while same < length and data[first + same] == data_0[begin + same]:
                            same += 1
                    if same == length:
                        number = known
                        break
            slot = (slot + ONE) & mask
        if number < 0 and add:
            used = offsets[size]
            if used + length > len(data) or size + 1 >= len(offsets) or _full(size + 1, len(slots)):
                return place, size, max(length, 1)
            for i in range(length):
                data[used + i] = data_1[begin + i] if column else data_0[begin + i]
            number = np.int64(size)
            kinds[number], offsets[number + 1] = kind, used + length
            slots[slot] = mark << 32 | number
            size += 1
        numbers[row, column] = number
    return len(hashes) * columns, size, 0
