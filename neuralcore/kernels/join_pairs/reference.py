"""The truth in plain Python: a dictionary of the pairs."""

from __future__ import annotations

import numpy as np


def join_pairs(ids: np.ndarray, pairs: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """As `neuralcore.kernels.join_pairs.join_pairs`."""
    one = dict(zip(map(tuple, pairs.tolist()), joined.tolist()))
    stream, waiting = [], iter(ids.tolist())
    first = next(waiting, None)
    while first is not None:
        second = next(waiting, None)
        if (first, second) in one:
            stream.append(one[first, second])
            second = next(waiting, None)
        else:
            stream.append(first)
        first = second
    return np.array(stream, dtype=np.int32)
