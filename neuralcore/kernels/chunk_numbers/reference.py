"""The truth in plain Python: a dictionary from chunk to number."""

from __future__ import annotations

import re

import numpy as np

from neuralcore.kernels.chunk_numbers import LINE_END, WHITE_SPACE, ChunkTable

PART = re.compile(rb"\n|[^%b]+" % re.escape(WHITE_SPACE))


def chunk_numbers(text: np.ndarray, table: ChunkTable) -> np.ndarray:
    """As `neuralcore.kernels.chunk_numbers.chunk_numbers`."""
    index = {chunk: number for number, chunk in enumerate(table.text().split(b"\n")[:-1])}
    counts = table.counts[: table.size].tolist()
    numbers = []
    for part in PART.findall(text.tobytes()):
        if part == b"\n":
            numbers.append(LINE_END)
            continue
        number = index.setdefault(part, len(index))
        if number == len(counts):
            counts.append(0)
        counts[number] += 1
        numbers.append(number)
    table.size = len(index)
    table.lines = np.frombuffer(b"".join(chunk + b"\n" for chunk in index), dtype=np.uint8).copy()
    table.ends = np.cumsum([len(chunk) + 1 for chunk in index], dtype=np.int64)
    table.counts = np.array(counts, dtype=np.int64)
    return np.array(numbers, dtype=np.int32)
