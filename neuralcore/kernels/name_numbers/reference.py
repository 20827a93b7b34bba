"""The truth in plain Python: a dictionary from kind and name to number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuralcore.kernels.name_numbers import UNKNOWN, Column, NameTable


def name_numbers(columns: Sequence[Column], table: NameTable, kinds: Sequence[np.ndarray], add: bool) -> np.ndarray:
    """As `neuralcore.kernels.name_numbers.name_numbers`."""
    index: dict[tuple[int, bytes], int] = {}
    for i in range(table.size):
        index.setdefault((int(table.kinds[i]), table.name(i)), i)
    numbers = np.empty((len(kinds[0]), len(columns)), np.int32)
    new: list[tuple[int, bytes]] = []
    for row in range(len(numbers)):
        for column, (data, offsets) in enumerate(columns):
            key = int(kinds[column][row]), data[offsets[row] : offsets[row + 1]].tobytes()
            if key not in index and add:
                index[key] = table.size + len(new)
                new.append(key)
            numbers[row, column] = index.get(key, UNKNOWN)
    if new:
        names = [table.name(i) for i in range(table.size)] + [name for _, name in new]
        table.kinds = np.concatenate([table.kinds[: table.size], np.array([kind for kind, _ in new], np.int16)])
        table.data = np.frombuffer(b"".join(names), np.uint8).copy()
        table.offsets = np.cumsum([0, *map(len, names)], dtype=np.int64)
        table.size = len(names)
    return numbers
