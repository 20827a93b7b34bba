"""How often one word follows another in a stream of word ids, for those pairs that are phrases by their score.

Mikolov et al. 2013, https://arxiv.org/abs/1310.4546, section 4, scores a pair of neighbours a b by

    score(a, b) = (count(a b) - discount) N / (count(a) count(b))      N words in all (as the C program word2phrase)

and takes it for a phrase where that is above a threshold. Since a pair occurs no more often than its rarer word,
pairs with (min(count(a), count(b)) - discount) N <= threshold count(a) count(b) cannot reach it, and are not counted:
that leaves out the many pairs of the commonest words and of the rarest, and with them most of the memory.

Axes: N positions of the stream, V words, P pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


class Pairs(NamedTuple):
    """P pairs, ordered by their first word, then by their second."""

    words: np.ndarray
    """(P, 2) int32"""
    counts: np.ndarray
    """(P,) int64"""


def pair_counts(
    ids: np.ndarray,
    counts: np.ndarray,
    *,
    discount: float,
    threshold: float,
    implementation: kernels.Implementation = "auto",
) -> Pairs:
    """The pairs above the threshold, and how often they occur.

    A word that follows itself twice is two pairs. Releases the GIL. All implementations give the same.

    Args:
        ids: (N,) int32 words, -1 after each sentence; no pair reaches over it.
        counts: (V,) int64, how often each word occurs in `ids`.
        discount: taken off each pair's count, so that rare ones are no phrases by chance; 0 or more.
        threshold: above 0.

    Raises:
        ValueError: a shape, dtype or range differs.
        UserError: there is no such implementation.
    """
    match_shape(ids, -1, name="ids")
    match_shape(counts, -1, name="counts")
    for name, array, dtype in (("ids", ids, "int32"), ("counts", counts, "int64")):
        if array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    if discount < 0.0 or threshold <= 0.0:
        raise ValueError(f"discount must be 0 or more and threshold above 0, got {discount} and {threshold}")
    count = kernels.implementation("pair_counts", implementation, ids)
    return Pairs(*count(ids, counts, float(discount), float(threshold)))
