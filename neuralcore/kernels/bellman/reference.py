"""The truth of op `bellman`: a sparse matrix times a vector, then the largest of each row."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.bellman import Rows, Table


def bellman(
    transitions: Rows | Table,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    out: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray, float]:
    q = rewards + discount * expected(transitions, rewards.shape, values)
    swept = q.max(axis=1)
    residual = float(np.abs(swept - values).max())
    if out is not None:
        out[0][:], out[1][:] = swept, q
        swept, q = out
    return swept, q, residual


def expected(transitions: Rows | Table, shape: tuple[int, int], values: np.ndarray) -> np.ndarray:
    """Σ_s' p(s' | s, a) v(s'), shape (S, A)."""
    if isinstance(transitions, Table):
        ended = np.append(values, 0.0)  # the successor -1 is this last entry
        return ended[transitions.successors] @ transitions.weights.T
    from scipy.sparse import csr_matrix

    states, actions = shape
    matrix = csr_matrix(
        (transitions.probabilities, transitions.indices, transitions.indptr), shape=(states * actions, states)
    )
    return (matrix @ values).reshape(shape)
