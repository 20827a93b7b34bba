"""Cases of op `chunk_numbers`: no text, one byte, tables that must grow, chunks that are there already."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.chunk_numbers import ChunkTable, chunk_numbers

OP = "chunk_numbers"
SIZES = [(0, 2), (1, 2), (7, 3), (3_000, 5), (60_000, 256), (60_000, 40)]  # (B bytes, different bytes)
TOLERANCE = {"rtol": 0, "atol": 0}


def make_case(size: tuple[int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(text, table): any bytes at all, of few or many kinds; the table has chunks of another text."""
    length, kinds = size
    alphabet = np.concatenate([np.frombuffer(b" \na\tb\x1cc\x1b", np.uint8), np.arange(256, dtype=np.uint8)])[:kinds]
    table = ChunkTable()
    chunk_numbers(rng.choice(alphabet, length // 3), table, implementation="reference")
    return (rng.choice(alphabet, length), table), {}


def outputs(args: tuple[Any, ...], result: np.ndarray) -> dict[str, Any]:
    """The numbers, and what the table knows."""
    table = args[1]
    known = np.frombuffer(table.text(), dtype=np.uint8)
    return {"numbers": result, "lines": known, "ends": table.ends[: table.size], "counts": table.counts[: table.size]}
