from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.name_numbers import NameTable, name_numbers

OP = "name_numbers"
# rows, columns, different names, kinds, whether names are added
SIZES = [(1, 1, 1, 1, True), (7, 2, 5, 1, True), (20_000, 2, 9_001, 3, True), (333, 1, 50, 2, False)]
TOLERANCE: dict[str, float] = {"rtol": 0, "atol": 0}


def column(rows: int, names: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Names of 0 to 12 bytes, the same few thousand in both columns."""
    values = [b"n%d" % i * (i % 4) for i in (rng.random(rows) ** 2 * names).astype(int)]
    return np.frombuffer(b"".join(values), np.uint8), np.cumsum([0, *map(len, values)], dtype=np.int64)


def make_case(size: Any, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    rows, columns, names, kinds, add = size
    table = NameTable()
    name_numbers([column(9, names, rng)], table, implementation="reference")
    given = [column(rows, names, rng) for _ in range(columns)]
    of_kind = [rng.integers(kinds, size=rows).astype(np.int16) for _ in range(columns)]
    return (given, table, of_kind), {"add": add}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, np.ndarray]:
    table = args[1]
    offsets = table.offsets[: table.size + 1]
    return {
        "numbers": result,
        "offsets": offsets,
        "kinds": table.kinds[: table.size],
        "data": table.data[: offsets[-1]],
    }
