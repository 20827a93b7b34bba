"""numba: a hash table with open addressing. A slot holds 31 bits of the hash and the number, so a name that is there
costs a look at its slot and one at its bytes.

With a million names nearly every look is a wait for the memory. So the hashes of some rows are made first, and before
a few names are looked up, what they will need is read without using it: these reads do not depend on one another, and
the processor waits for many of them at once. Compiled code cannot make room: it stops before the name that does not
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
GROUP = 32  # names whose memory is asked for at once


def name_numbers(columns: Sequence[Column], table: NameTable, kinds: Sequence[np.ndarray], add: bool) -> np.ndarray:
    """As `neuralcore.kernels.name_numbers.name_numbers`."""
    rows = len(kinds[0])
    numbers = np.empty((rows, len(columns)), np.int32)
    if table.indexed < table.size:
        _make_room(table, 0)
    hashes = np.empty((min(rows, ROWS), len(columns)), np.uint64)
    columns = [(_read_only(data), _read_only(offsets)) for data, offsets in columns]
    kinds = [_read_only(kind) for kind in kinds]
    (data, offsets), (other, other_offsets) = columns[0], columns[-1]
    for start in range(0, rows, ROWS):
        stop = min(start + ROWS, rows)
        for column, (values, ends) in enumerate(columns):
            _hash(values, ends[start : stop + 1], kinds[column][start:stop], hashes[:, column])
        if not add:
            for column, (values, ends) in enumerate(columns):
                _look_up(
                    values, ends[start : stop + 1], kinds[column][start:stop], hashes[: stop - start, column],
                    table.slots, _read_only(table.data), _read_only(table.offsets), _read_only(table.kinds),
                    numbers[start:stop, column],
                )  # fmt: skip
            continue
        at = 0
        while True:
            at, table.size, needed, _ = _number(
                data, offsets[start : stop + 1], kinds[0][start:stop],
                other, other_offsets[start : stop + 1], kinds[-1][start:stop],
                hashes[: stop - start], at, table.slots, table.data, table.offsets, table.kinds, table.size,
                numbers[start:stop],
            )  # fmt: skip
            table.indexed = table.size
            if at == (stop - start) * len(columns):
                break
            _make_room(table, needed)
    return numbers


def number_of(name: bytes, table: NameTable) -> int:
    """As `neuralcore.kernels.name_numbers.number_of`."""
    if table.indexed < table.size:
        _make_room(table, 0)
    data, offsets, kinds = table.data.view(), table.offsets.view(), table.kinds.view()
    data.flags.writeable = offsets.flags.writeable = kinds.flags.writeable = False
    return _number_of(np.frombuffer(name, np.uint8), table.slots, data, offsets, kinds)


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view of the one type that code is compiled for; mapped files and Arrow's buffers are read-only."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


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
        _index(table.slots, *map(_read_only, (table.data, table.offsets, table.kinds)), table.size)
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
def _find(values, begin, length, kind, sum_, slots, data, offsets, kinds):
    """A name's number, and its slot; -1 and a free slot if it is not there."""
    mask = np.uint64(len(slots) - 1)
    mark = np.int64(sum_ >> HALF) >> 1  # 31 bits, so that no taken slot looks free
    slot = sum_ & mask
    while slots[slot] != FREE:
        if slots[slot] >> 32 == mark:
            known = slots[slot] & LOW
            first = offsets[known]
            if offsets[known + 1] - first == length and kinds[known] == kind:
                same = 0
                while same < length and data[first + same] == values[begin + same]:
                    same += 1
                if same == length:
                    return known, slot
        slot = (slot + ONE) & mask
    return np.int64(UNKNOWN), slot


@njit(nogil=True, cache=True)
def _touch(hashes, slots, data, offsets, kinds, known):
    """Read what the look-ups of some names will read first; the result keeps the compiler from leaving that out."""
    mask = np.uint64(len(slots) - 1)
    for i in range(len(hashes)):
        known[i] = slots[hashes[i] & mask] & LOW  # of a free slot: the largest number, which no name has
    sink = np.int64(0)
    for i in range(len(hashes)):
        if known[i] < len(kinds):
            sink += kinds[known[i]]
            known[i] = offsets[known[i]]
        else:
            known[i] = 0
    for i in range(len(hashes)):
        if known[i] < len(data):
            sink += data[known[i]]
    return sink


@njit(nogil=True, cache=True)
def _look_up(values, ends, of_kind, hashes, slots, data, offsets, kinds, numbers):
    for row in range(len(hashes)):
        length = ends[row + 1] - ends[row]
        numbers[row], _ = _find(values, ends[row], length, of_kind[row], hashes[row], slots, data, offsets, kinds)


@njit(nogil=True, cache=True)
def _number_of(name, slots, data, offsets, kinds):
    sum_ = _hash_of(name, 0, len(name), 0)
    return _find(name, 0, len(name), 0, sum_, slots, data, offsets, kinds)[0]


@njit(nogil=True, cache=True)
def _number(
    data_0, offsets_0, kinds_0, data_1, offsets_1, kinds_1, hashes, at, slots, data, offsets, kinds, size, numbers
):
    """Where it stopped (row · columns + column), how many names there are, how many bytes the next one needs, and
    what says that `_touch` did something."""
    columns = hashes.shape[1]
    total = len(hashes) * columns
    flat = hashes.reshape(total)
    known = np.empty(GROUP, np.int64)
    sink = np.int64(0)
    for place in range(at, total):
        if (place - at) % GROUP == 0:
            sink += _touch(flat[place : place + GROUP], slots, data, offsets, kinds, known)
        row, column = place // columns, place % columns
        if column:
            values, begin, length, kind = data_1, offsets_1[row], offsets_1[row + 1] - offsets_1[row], kinds_1[row]
        else:
            values, begin, length, kind = data_0, offsets_0[row], offsets_0[row + 1] - offsets_0[row], kinds_0[row]
        sum_ = hashes[row, column]
        number, slot = _find(values, begin, length, kind, sum_, slots, data, offsets, kinds)
        if number < 0:
            used = offsets[size]
            if used + length > len(data) or size + 1 >= len(offsets) or _full(size + 1, len(slots)):
                return place, size, max(length, 1), sink
            for i in range(length):
                data[used + i] = values[begin + i]
            number = np.int64(size)
            kinds[number], offsets[number + 1] = kind, used + length
            slots[slot] = (np.int64(sum_ >> HALF) >> 1 << 32) | number
            size += 1
        numbers[row, column] = number
    return total, size, 0, sink
