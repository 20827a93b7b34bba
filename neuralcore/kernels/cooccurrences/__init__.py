"""How often words stand near each other in a stretch of a stream of word ids, the nearer the more.

Pennington, Socher & Manning 2014, "GloVe: Global Vectors for Word Representation",
https://aclanthology.org/D14-1162, section 4.2: two words that are d words apart add 1/d to their count, if d is at
most `window`.

    X[i, j] = Σ 1 / |p - q|    over positions p, q with ids[p] = i, ids[q] = j, 0 < |p - q| <= window, one sentence

X is symmetric, so that only its upper triangle is given; a word that stands near itself is met from both sides,
which makes its count on the diagonal 2/d a pair. As in the authors' C program, words that are not in the vocabulary
leave no gap. Pairs belong to the stretch of their later word: the counts of all stretches add up to those of the
stream (op `sparse_sum`).

Axes: N positions of the stream, V words, E pairs of words that stand near each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


class SparseRows(NamedTuple):
    """A sparse matrix by rows (CSR), the columns of each row in order."""

    offsets: np.ndarray
    """(rows + 1,) int64, where the entries of each row begin"""
    columns: np.ndarray
    """(E,) int32"""
    values: np.ndarray
    """(E,) float32"""


def cooccurrences(
    ids: np.ndarray,
    begin: int,
    end: int,
    *,
    words: int,
    window: int,
    implementation: kernels.Implementation = "auto",
) -> SparseRows:
    """The upper triangle of X, for the pairs whose later word lies at begin <= position < end.

    Sums are made in float64, in one order. Releases the GIL. Takes 4 bytes a position, 16 a word, and 8 for each pair
    of positions until the pairs of words are known.

    Args:
        ids: (N,) int32 words, -1 after each sentence; no pair reaches over it. May be a memory-mapped file.
        begin, end: the stretch, 0 <= begin <= end <= N.
        words: V.
        window: how far apart two words may be, 1 or more.

    Raises:
        ValueError: a shape, dtype or range differs.
        UserError: there is no such implementation.
    """
    (positions,) = match_shape(ids, -1, name="ids")
    if ids.dtype != np.int32:
        raise ValueError(f"ids is {ids.dtype}, expected int32")
    if not 0 <= begin <= end <= positions:
        raise ValueError(f"the stretch {begin}..{end} lies outside a stream of {positions} positions")
    if window < 1:
        raise ValueError(f"window must be 1 or more, got {window}")
    ids = np.asarray(ids)[max(begin - window, 0) : end]
    # A wrong number would write outside the sums.
    if len(ids) and not -1 <= int(ids.min()) <= int(ids.max()) < words:
        raise ValueError(f"ids has a number outside -1..{words - 1}")
    count = kernels.implementation("cooccurrences", implementation, ids)
    return SparseRows(*count(ids, len(ids) - (end - begin), words, window))
