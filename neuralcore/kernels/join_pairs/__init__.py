"""A stream of word ids in which certain pairs of neighbours have become one word.

From left to right, as word2phrase.c and gensim go: the second word of a joined pair is not the first of another.

    ids 3 4 4 5 -1    pairs (3, 4) -> 9, (4, 4) -> 8, (4, 5) -> 7    ->  9 7 -1

Axes: N positions of the stream, P pairs.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def join_pairs(
    ids: np.ndarray, pairs: np.ndarray, joined: np.ndarray, *, implementation: kernels.Implementation = "auto"
) -> np.ndarray:
    """(M,) int32, the stream with each of the pairs as one id.

    Releases the GIL. All implementations give the same numbers.

    Args:
        ids: (N,) int32 words, -1 after each sentence.
        pairs: (P, 2) int32, ordered by the first word, then by the second; none twice.
        joined: (P,) int32, the id of each.

    Raises:
        ValueError: a shape or dtype differs, or the pairs are not in order.
        UserError: there is no such implementation.
    """
    match_shape(ids, -1, name="ids")
    (count,) = match_shape(pairs, -1, 2, name="pairs")
    match_shape(joined, count, name="joined")
    for name, array in (("ids", ids), ("pairs", pairs), ("joined", joined)):
        if array.dtype != np.int32:
            raise ValueError(f"{name} is {array.dtype}, expected int32")
    keys = pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1]
    if (np.diff(keys) <= 0).any():
        raise ValueError("pairs must be in order, and none of them twice")
    stream: np.ndarray = kernels.implementation("join_pairs", implementation, ids)(ids, pairs, joined)
    return stream
