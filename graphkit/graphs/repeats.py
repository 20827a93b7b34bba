"""Edges that stand in a list twice, found exactly and in bounded memory, also where the list is a mapped file.

Equal edges fall into the same part of the list, by a sum of their three numbers; the list is read once for each part,
and the edges of a part are compared in memory. There are at most 64 parts, so memory is that of half a million
edges, or of the 64th part of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from graphkit.graphs.folder import pieces
from neuralcore.kernels.repeated_rows import repeated_rows

PART = 1 << 19  # edges compared at once
PIECE = 1 << 18  # edges read at once
MOST_PARTS = 64
FACTORS = 0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35  # odd, without much in common


def repeats(edges: np.ndarray, part: int = PART) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows (B,) of edges (E, 3) that repeat an earlier one, and which (B,), in parts; an order within a part."""
    parts = min(-(-len(edges) // part), MOST_PARTS)
    for number in range(parts):
        places, rows = [], []
        for start, some in pieces(edges, PIECE):
            if parts == 1:
                mine = np.arange(len(some))
            else:
                mine = np.flatnonzero(_part_of(some, parts) == number)
            places.append(mine + start)
            rows.append(some[mine])
        place = np.concatenate(places)
        first = repeated_rows(np.concatenate(rows))
        again = np.flatnonzero(first != np.arange(len(first)))
        if len(again):
            yield place[again], place[first[again]]


def count_repeats(edges: np.ndarray) -> int:
    """How many of the edges (E, 3) repeat an earlier one."""
    return sum(len(again) for again, _ in repeats(edges))


def _part_of(rows: np.ndarray, parts: int) -> np.ndarray:
    sum_ = np.zeros(len(rows), np.uint32)
    for column, factor in enumerate(FACTORS):
        sum_ += rows[:, column].astype(np.uint32) * np.uint32(factor)
    sum_ ^= sum_ >> np.uint32(15)
    return (sum_ * np.uint32(FACTORS[1]) >> np.uint32(16)) * np.uint32(parts) >> np.uint32(16)
