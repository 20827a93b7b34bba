"""The truth in NumPy: one context word at a time, in the dtype of the tables."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.skipgram import LOGIT_BOUND


def skipgram(
    input_table: np.ndarray,  # (V, P)
    output_table: np.ndarray,  # (V, P)
    targets: np.ndarray,  # (W,)
    offsets: np.ndarray,  # (W + 1,)
    contexts: np.ndarray,  # (C,)
    negatives: np.ndarray,  # (W, K)
    learning_rate: float,
) -> float:
    """As `neuralcore.kernels.skipgram.skipgram`."""
    loss = 0.0
    for w, target in enumerate(targets.tolist()):
        rows = list(dict.fromkeys([target, *negatives[w].tolist()]))  # each row once, the target first
        sign = np.full(len(rows), -1.0, dtype=input_table.dtype)
        sign[0] = 1.0
        block = output_table[rows]
        for c in contexts[offsets[w] : offsets[w + 1]]:
            x = input_table[c].copy()
            logits = np.clip(sign * (block @ x), -LOGIT_BOUND, LOGIT_BOUND)
            probability = 1.0 / (1.0 + np.exp(-logits))  # of the right answer, for each row
            loss += float(np.logaddexp(0.0, -logits).sum())
            step = learning_rate * sign * (1.0 - probability)  # -learning_rate * d loss / d (block @ x)
            input_table[c] += step @ block
            block += np.outer(step, x)
        output_table[rows] = block
    return loss
