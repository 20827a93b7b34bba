"""Names: millions of strings as the bytes they have on disk, read one by one when asked for.

Five million Python strings are half a gigabyte; here they are one array of bytes and one of offsets, which may lie in
a mapped Arrow file. What a list of strings does, this does: length, index, slice (a view), iteration, `index`, `in`.
Looking up a name builds a hash table once, 12 to 24 bytes a name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from neuralcore.kernels.name_numbers import NameTable, name_numbers, number_of
from neuralcore.lazy import lazy_import

pyarrow = lazy_import("pyarrow")

BLOCK = 1 << 16  # names that are strings at once while iterating


class Names(Sequence[str]):
    """N strings.

    Args:
        data: (bytes,) uint8, UTF-8. offsets: (N + 1,) int64, where each begins; the last one is where they end.
    """

    def __init__(self, data: np.ndarray, offsets: np.ndarray):
        self.data, self.offsets = data, offsets
        self._table: NameTable | None = None
        self._slices: dict[tuple[int, int], Names] = {}

    @classmethod
    def of(cls, names: Sequence[str]) -> Names:
        """As bytes."""
        encoded = [name.encode() for name in names]
        return cls(np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> Names: ...
    def __getitem__(self, key: int | slice) -> str | Names:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                return Names.of([self[i] for i in range(start, stop, step)])
            stop = max(start, stop)
            if (start, stop) == (0, len(self)):
                return self
            # Kept, so that looking up a name of a type again and again builds one table.
            return self._slices.setdefault((start, stop), Names(self.data, self.offsets[start : stop + 1]))
        place = range(len(self))[key]
        return self.data[self.offsets[place] : self.offsets[place + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            ends = self.offsets[start : start + BLOCK + 1]
            data, ends = self.data[ends[0] : ends[-1]].tobytes(), (ends - ends[0]).tolist()
            yield from (data[begin:end].decode() for begin, end in itertools.pairwise(ends))

    def encoded(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Blocks of `size` names as bytes and (B + 1,) offsets into them, for `neuralcore.similar_names`."""
        for start in range(0, len(self), size):
            ends = self.offsets[start : start + size + 1]
            yield self.data[ends[0] : ends[-1]], ends - ends[0]

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """(B,) int32: where each of B names stands first, -1 for one that is not here."""
        return self._numbers(Names.of(names))

    def number(self, name: str) -> int:
        """Where one name stands first, -1 where it is not here; in a tenth of the time that an array of one takes."""
        return number_of(name.encode(), self._known())

    def firsts(self) -> np.ndarray:
        """(N,) int32: of each name where it stands first, which is its own place where no name is there twice."""
        return self._numbers(self)

    def _numbers(self, asked: Names) -> np.ndarray:
        return name_numbers([(asked.data, asked.offsets)], self._known(), add=False)[:, 0]

    def _known(self) -> NameTable:
        if self._table is None:
            self._table = NameTable(self.data, self.offsets)
        return self._table

    def index(self, name: Any, start: int = 0, stop: int | None = None) -> int:
        """Where a name stands first.

        Raises:
            ValueError: it is not here.
        """
        if (start, stop) != (0, None):
            return start + self[start:stop].index(name)
        found = self.number(name) if isinstance(name, str) else -1
        if found < 0:
            raise ValueError(f"{name!r} is not among {len(self):,} names")
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.number(name) >= 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} names: {', '.join(map(repr, self[:3]))}{', …' if len(self) > 3 else ''}>"

    def arrow(self) -> Any:
        """An Arrow array of the same bytes."""
        offsets = np.ascontiguousarray(self.offsets)
        buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(np.ascontiguousarray(self.data))]
        return pyarrow.LargeStringArray.from_buffers(len(self), buffers[1], buffers[2])

    def __arrow_array__(self, type: Any = None) -> Any:  # what pyarrow.array asks for
        return self.arrow() if type is None else self.arrow().cast(type)

    @classmethod
    def from_arrow(cls, array: Any) -> Names:
        """The bytes of an Arrow array of strings, not copied where their offsets are 64 bits wide."""
        if isinstance(array, pyarrow.ChunkedArray):
            array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        return cls(*bytes_of(array.cast(pyarrow.large_string())))

    def save(self, path: Path, **others: Names) -> None:
        """Write an Arrow file of a column "name", and of others as long."""
        columns = {"name": self, **others}
        batch = pyarrow.record_batch({title: column.arrow() for title, column in columns.items()})
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)

    @classmethod
    def read(cls, path: Path) -> dict[str, Names]:
        """The columns of an Arrow file, mapped."""
        table = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
        return {name: cls.from_arrow(table[name]) for name in table.column_names}


def bytes_of(array: Any) -> tuple[np.ndarray, np.ndarray]:
    """An Arrow array of large strings or large binaries as bytes and (N + 1,) int64 offsets, not copied."""
    _, offsets, data = array.buffers()
    ends = np.zeros(1, np.int64) if offsets is None else np.frombuffer(offsets, np.int64)
    values = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return values, ends[array.offset : array.offset + len(array) + 1]
