"""Op `transducer`, as the formulas have it; sums in float64."""

from __future__ import annotations

import numpy as np


def transducer(
    blank: np.ndarray, symbol: np.ndarray, frames: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    losses = np.empty(len(blank), blank.dtype)
    of_blank, of_symbol = np.zeros_like(blank), np.zeros_like(symbol)
    for row, (steps, length) in enumerate(zip(frames, lengths)):
        skip = blank[row, :steps, : length + 1].astype(np.float64)
        emit = symbol[row, :steps, :length].astype(np.float64)
        alpha = np.full((steps, length + 1), -np.inf)
        beta = np.full((steps + 1, length + 1), -np.inf)
        alpha[0, 0], beta[steps, length] = 0.0, 0.0
        for t in range(steps):
            for u in range(length + 1):
                if t:
                    alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t - 1, u] + skip[t - 1, u])
                if u:
                    alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t, u - 1] + emit[t, u - 1])
        for t in reversed(range(steps)):
            for u in reversed(range(length + 1)):
                beta[t, u] = beta[t + 1, u] + skip[t, u]
                if u < length:
                    beta[t, u] = np.logaddexp(beta[t, u], beta[t, u + 1] + emit[t, u])
        losses[row] = -beta[0, 0]
        of_blank[row, :steps, : length + 1] = -np.exp(alpha + skip + beta[1:] - beta[0, 0])
        of_symbol[row, :steps, :length] = -np.exp(alpha[:, :-1] + emit + beta[:-1, 1:] - beta[0, 0])
    return losses, of_blank, of_symbol
