"""The truth in plain Python: a dictionary from a row to where it stood first."""

from __future__ import annotations

import numpy as np


def repeated_rows(rows: np.ndarray) -> np.ndarray:
    """As `neuralcore.kernels.repeated_rows.repeated_rows`."""
    first: dict[tuple[int, ...], int] = {}
    return np.array([first.setdefault(tuple(row), i) for i, row in enumerate(rows.tolist())], np.int64)
