"""From a distribution a frame to symbols, after CTC (Graves et al. 2006): repeats are one, and then ∅ goes.

Axes: T frames, V symbols and ∅, which is 0.
"""

from __future__ import annotations

import numpy as np

from neuralcore.shape import match_shape
from neuralcore.speech.spoken import BLANK


def collapsed(path: np.ndarray) -> list[int]:
    """What a path (T,) of symbols and ∅ stands for.

    >>> collapsed(np.array([0, 1, 1, 0, 1, 2, 2]))
    [1, 1, 2]
    """
    kept = np.ones(len(path), bool)
    kept[1:] = path[1:] != path[:-1]
    return path[kept & (path != BLANK)].tolist()


def greedy(logs: np.ndarray) -> list[int]:
    """The symbols of the likeliest path; logs (T, V) of a softmax. Others, of more paths, may be likelier."""
    match_shape(logs, -1, -1, name="logs")
    return collapsed(logs.argmax(1))


def prefix_beam(logs: np.ndarray, width: int) -> tuple[list[int], float]:
    """The likeliest symbols among prefixes of which `width` are kept a frame, and the logarithm of their probability
    (Hannun et al. 2014, algorithm 1, without a language model). With no prefix left out, it is exact.

    A prefix has two probabilities, of paths that end with ∅ and of those that end with its last symbol: after ∅ that
    symbol is a new one, else it goes on.

    Args:
        logs: (T, V) of a softmax. width: of the beam, P, 1 or more.
    """
    _, kinds = match_shape(logs, -1, -1, name="logs")
    if width < 1:
        raise ValueError(f"the beam must be 1 wide or more, got {width}")
    prefixes: list[tuple[int, ...]] = [()]
    blank, symbol = np.zeros(1), np.full(1, -np.inf)  # (P,) logarithms: of paths that end with ∅, and that do not
    for frame in np.asarray(logs, np.float64):
        rows, whole = np.arange(len(prefixes)), np.logaddexp(blank, symbol)
        last = np.array([prefix[-1] if prefix else BLANK for prefix in prefixes])
        stay_blank = whole + frame[BLANK]
        stay_symbol = np.where(last == BLANK, -np.inf, symbol + frame[last])
        longer = whole[:, None] + frame
        longer[rows, last] = blank + frame[last]
        longer[:, BLANK] = -np.inf
        at = {prefix: row for row, prefix in enumerate(prefixes)}
        for row, prefix in enumerate(prefixes):
            parent = at.get(prefix[:-1]) if prefix else None
            if parent is not None:  # what is made of its parent now is the prefix itself
                stay_symbol[row] = np.logaddexp(stay_symbol[row], longer[parent, last[row]])
                longer[parent, last[row]] = -np.inf
        scores = np.concatenate([np.logaddexp(stay_blank, stay_symbol), longer.ravel()])
        best = np.argsort(-scores, kind="stable")[:width]
        best = best[scores[best] > -np.inf]
        kept, grown = best[best < len(prefixes)], best[best >= len(prefixes)] - len(prefixes)
        prefixes = [prefixes[row] for row in kept] + [
            (*prefixes[index // kinds], index % kinds) for index in grown.tolist()
        ]
        blank = np.concatenate([stay_blank[kept], np.full(len(grown), -np.inf)])
        symbol = np.concatenate([stay_symbol[kept], longer.ravel()[grown]])
    ends = np.logaddexp(blank, symbol)
    best_row = int(ends.argmax())
    return list(prefixes[best_row]), float(ends[best_row])
