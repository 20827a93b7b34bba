"""The truth of op `bellman`: a sparse matrix times a vector, then the largest of each row."""

from __future__ import annotations

import numpy as np


def bellman(
    indptr: np.ndarray,
    indices: np.ndarray,
    probabilities: np.ndarray,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    out: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray, float]:
    from scipy.sparse import csr_matrix

    states, actions = rewards.shape
    transitions = csr_matrix((probabilities, indices, indptr), shape=(states * actions, states))
    q = rewards + discount * (transitions @ values).reshape(states, actions)
    swept = q.max(axis=1)
    residual = float(np.abs(swept - values).max())
    if out is not None:
        out[0][:], out[1][:] = swept, q
        swept, q = out
    return swept, q, residual
