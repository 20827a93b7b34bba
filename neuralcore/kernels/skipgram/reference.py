"""The truth in NumPy: one input at a time, in the dtype of the tables."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.skipgram import LOGIT_BOUND


def skipgram(
    input_table: np.ndarray,  # (V, P)
    output_table: np.ndarray,  # (U, P)
    outputs: np.ndarray,  # (W, R)
    signs: np.ndarray,  # (W, R)
    offsets: np.ndarray,  # (W + 1,)
    contexts: np.ndarray,  # (C,)
    learning_rate: float,
    mean: bool = False,
    margin: bool = False,
) -> float:
    """As `neuralcore.kernels.skipgram.skipgram`; with `mean` as `neuralcore.kernels.cbow.cbow`."""
    loss = 0.0
    for w in range(len(outputs)):
        there = outputs[w] >= 0
        rows, sign = outputs[w][there], signs[w][there].astype(input_table.dtype)
        block = output_table[rows]
        words = contexts[offsets[w] : offsets[w + 1]]
        inputs = [words] if mean and len(words) else [words[i : i + 1] for i in range(len(words))]
        for together in inputs:
            x = input_table[together].mean(axis=0)
            # step: -learning_rate * d loss / d (block @ x)
            if margin:
                scores = block @ x
                short = 1.0 - scores[0] + scores[1:]
                loss += float(np.maximum(short, 0.0).sum())
                too_near = (short > 0.0).astype(x.dtype)
                step = learning_rate * np.concatenate([[too_near.sum()], -too_near])
            else:
                logits = np.clip(sign * (block @ x), -LOGIT_BOUND, LOGIT_BOUND)
                probability = 1.0 / (1.0 + np.exp(-logits))  # of the right answer, for each row
                loss += float(np.logaddexp(0.0, -logits).sum())
                step = learning_rate * sign * (1.0 - probability)
            np.add.at(input_table, together, step @ block)
            block += np.outer(step, x)
        output_table[rows] = block
    return loss
