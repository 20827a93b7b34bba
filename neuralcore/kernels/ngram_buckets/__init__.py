"""The buckets of words' character n-grams, as fastText has them.

Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information", section 3.2, https://arxiv.org/abs/1607.04606:
a word stands between < and >, its n-grams are runs of so many characters of that, and each is hashed into one of B
buckets. The hash is fastText's own: 32-bit FNV-1a over the bytes of UTF-8, each taken with its sign, modulo B.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def ngram_buckets(
    text: np.ndarray,
    offsets: np.ndarray,
    shortest: int,
    longest: int,
    buckets: int,
    *,
    implementation: kernels.Implementation = "auto",
) -> tuple[np.ndarray, np.ndarray]:
    """The buckets of V words' n-grams.

    Args:
        text: (N,) uint8, the words one after the other in UTF-8, each between < and >.
        offsets: (V + 1,) int64, where each begins.
        shortest, longest: characters of an n-gram, 1 <= shortest <= longest. A < or > alone is none.
        buckets: B, 1 or more.

    Returns:
        (V + 1,) int64, where each word's buckets begin; (M,) int32, the buckets, by where their n-grams begin and
        then by length, doubles kept.

    Raises:
        ValueError: a shape, dtype or number does not fit.
        UserError: there is no such implementation.
    """
    (size,) = match_shape(text, -1, name="text")
    match_shape(offsets, -1, name="offsets")
    if text.dtype != np.uint8 or offsets.dtype != np.int64:
        raise ValueError(f"text and offsets are {text.dtype} and {offsets.dtype}, expected uint8 and int64")
    if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != size or (np.diff(offsets) < 0).any():
        raise ValueError("offsets must rise from 0 to the length of the text")
    if not 1 <= shortest <= longest or not 1 <= buckets < 2**31:
        raise ValueError(f"n-grams of {shortest} to {longest} characters in {buckets} buckets: not possible")
    return kernels.implementation("ngram_buckets", implementation, text)(text, offsets, shortest, longest, buckets)
