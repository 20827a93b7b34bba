"""Op `row_adagrad`, the truth: NumPy, one line of the formula a line of code."""

from __future__ import annotations

import numpy as np


def row_adagrad(
    weight: np.ndarray,
    state: np.ndarray,
    rows: np.ndarray,
    gradients: np.ndarray,
    learning_rate: float,
    epsilon: float,
) -> None:
    unique, which = np.unique(rows, return_inverse=True)
    summed = np.zeros((len(unique), weight.shape[1]), dtype=np.float32)
    np.add.at(summed, which, gradients)
    state[unique] += (summed * summed).mean(axis=1)
    weight[unique] -= learning_rate * summed / (np.sqrt(state[unique]) + epsilon)[:, None]
