"""The truth of op `bellman`: a sparse matrix times a vector, then the largest of each row."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.bellman import Rows, Table


def bellman(
    transitions: Rows | Table,
    rewards: np.ndarray,
    values: np.ndarray,
    discount: float,
    policy: np.ndarray | None,
    out: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, float, float]:
    q = rewards + discount * expected(transitions, rewards.shape, values)
    best = q.argmax(axis=1).astype(np.int32) if policy is None else policy
    swept = q[np.arange(len(q)), best]
    change = swept - values
    if out is not None:
        out[0][:] = swept
        swept = out[0]
        if policy is None:
            out[1][:], out[2][:] = q, best
            q, best = out[1:]
    return swept, q if policy is None else None, best, float(change.min()), float(change.max())


def expected(transitions: Rows | Table, shape: tuple[int, int], values: np.ndarray) -> np.ndarray:
    """Σ_s' p(s' | s, a) v(s'), shape (S, A)."""
    if isinstance(transitions, Table):
        ended = np.append(values, 0.0)  # the successor -1 is this last entry
        return np.einsum("sd,ad->sa", ended[transitions.successors], transitions.weights)
    from scipy.sparse import csr_matrix

    states, actions = shape
    matrix = csr_matrix(
        (transitions.probabilities, transitions.indices, transitions.indptr), shape=(states * actions, states)
    )
    return (matrix @ values).reshape(shape)
