"""The numbers of names, which come as columns of a table, and a table of all names: what reading a graph needs.

A name that was not there before gets the next number, row by row and column by column, so the numbers do not depend
on how the rows were cut into blocks. Names of different kinds (types of entities) are different names:

    columns  a c   b a     kinds  0 0   0 0      ->  numbers  0 2   1 0      (row 0: a, b; row 1: c, a)

The names are kept as bytes, one after the other, and compared as bytes: no hash decides alone, so none can mix two
names up. Memory is their bytes, 10 more a name, and 12 to 24 a name for the slots.

Axes: B rows, C columns, N names in the table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape

UNKNOWN = -1
MOST = 2**31 - 1  # names: numbers are int32


class NameTable:
    """N names, grown by `name_numbers`.

    Args:
        data, offsets: names that are there already, (bytes,) uint8 and (N + 1,) int64; of kind 0, and not copied.

    Attributes:
        size: N.
        data: (at least the last offset,) uint8, the names' bytes.
        offsets: (at least N + 1,) int64, where each begins.
        kinds: (at least N,) int16.
        slots, indexed: the hash table of the numba implementation, and how many names it knows.
    """

    def __init__(self, data: np.ndarray | None = None, offsets: np.ndarray | None = None):
        self.data = np.empty(1 << 12, np.uint8) if data is None else data
        self.offsets = np.zeros(1 << 8, np.int64) if offsets is None else offsets
        self.size = 0 if offsets is None else len(offsets) - 1
        self.kinds = np.zeros(max(self.size, (1 << 8) - 1), np.int16)
        self.slots = np.full(1 << 9, -1, np.int64)
        self.indexed = 0

    def name(self, number: int) -> bytes:
        """The bytes of one."""
        return self.data[self.offsets[number] : self.offsets[number + 1]].tobytes()


Column = tuple[np.ndarray, np.ndarray]


def name_numbers(
    columns: Sequence[Column],
    table: NameTable,
    kinds: Sequence[np.ndarray] | None = None,
    *,
    add: bool = True,
    implementation: kernels.Implementation = "auto",
) -> np.ndarray:
    """(B, C) int32: the number of each name; `table` grows, or -1 stands for what is not in it.

    Releases the GIL. All implementations give the same numbers.

    Args:
        columns: one or two of B names, each as Arrow has them: (bytes,) uint8 and (B + 1,) int64 offsets.
        kinds: a (B,) int16 for each column; None where all are of kind 0.
        add: whether unknown names become known.

    Raises:
        ValueError: a shape or dtype differs, or there are more names than int32 can number.
        UserError: there is no such implementation.
    """
    if len(columns) not in (1, 2):
        raise ValueError(f"{len(columns)} columns, expected 1 or 2")
    rows = len(columns[0][1]) - 1
    if kinds is None:
        kinds = [np.zeros(rows, np.int16)] * len(columns)
    for (data, offsets), kind in zip(columns, kinds, strict=True):
        match_shape(data, -1, name="data")
        match_shape(offsets, rows + 1, name="offsets")
        match_shape(kind, rows, name="kinds")
        if (data.dtype, offsets.dtype, kind.dtype) != (np.uint8, np.int64, np.int16):
            raise ValueError(f"{data.dtype}, {offsets.dtype}, {kind.dtype}: expected uint8, int64, int16")
    function = kernels.implementation("name_numbers", implementation, columns[0][0])
    numbers: np.ndarray = function(columns, table, kinds, add)
    if table.size > MOST:
        raise ValueError(f"more than {MOST:,} names")
    return numbers


def number_of(name: bytes, table: NameTable) -> int:
    """The number of one name of kind 0, -1 where it is not in the table: `name_numbers` of a single one, which looks
    at nothing but its bytes."""
    from neuralcore.kernels.name_numbers.cpu import number_of as looked_up

    return looked_up(name, table)
