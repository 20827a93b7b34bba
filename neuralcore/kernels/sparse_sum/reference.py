"""The truth in plain Python: a dictionary for each row."""

from __future__ import annotations

from collections import defaultdict

import numpy as np


def sparse_sum(
    offsets: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.sparse_sum.sparse_sum`."""
    begins, entries = [0], []
    for begin, end in zip(offsets[:, :-1].T.tolist(), offsets[:, 1:].T.tolist()):
        row: dict[int, float] = defaultdict(float)
        for first, last in zip(begin, end):
            for column, value in zip(columns[first:last].tolist(), values[first:last].tolist()):
                row[column] += value
        entries += sorted(row.items())
        begins.append(len(entries))
    return (
        np.array(begins, dtype=np.int64),
        np.array([column for column, _ in entries], dtype=np.int32),
        np.array([value for _, value in entries], dtype=np.float32),
    )
