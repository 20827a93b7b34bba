"""Windows and negatives for skip-gram and CBOW, drawn from a stretch of a stream of word numbers.

Mikolov et al. 2013, https://arxiv.org/abs/1310.4546, sections 2.2 and 2.3. At each position of the stream:

1. frequent words are dropped: the word stays with probability `keep[word]`, and a dropped one is as if it had not
   been written, so windows reach past it;
2. a size b is drawn uniformly from 1..window, and the context is the b kept words on each side, within the sentence;
3. K negatives are drawn from the noise distribution (unigram counts to the power 3/4) by Walker's alias method:
   one column and one coin, 8 bytes a word, where word2vec's table takes 400 MB. They are drawn once a window, or, as
   in word2vec's C program, once a pair: each context word then has a window of its own.

Every draw is a pure function of (seed, epoch, position, which draw), so the windows of a stream depend neither on how
it is cut into stretches nor on which thread takes which. Draw j of position p is number p D + j, D = K + 2 or for
pairs 2 window K + 2, of the splitmix64 sequence (Steele et al. 2014, https://doi.org/10.1145/2714064.2660195) of a
key of seed and epoch:

    draw 0   the word stays:  u < keep[word]                   u the upper 53 bits as a number in [0, 1)
    draw 1   b = 1 + (upper 32 bits) window / 2^32
    draw 2+  (K for the window, or K for each of its pairs in turn)
             column = (upper 32 bits) V / 2^32, itself if (lower 32 bits) / 2^32 < probability[column], else its alias

Axes: N positions of the stream, V words, W windows, C context words in all, K negatives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape

END_OF_SENTENCE = -1


class Windows(NamedTuple):
    """What `neuralcore.kernels.skipgram` takes, but for the signs; a position without context words has no window."""

    outputs: Any
    """(W, K + 1) int32: the word in the middle, then the negatives; -1 for one that equals it or an earlier one"""
    offsets: Any
    """(W + 1,) int64, where each window's context words begin"""
    contexts: Any
    """(C,) int32"""


def skipgram_windows(
    ids: Any,
    begin: int,
    end: int,
    keep: Any,
    probability: Any,
    alias: Any,
    *,
    window: int,
    negatives: int,
    seed: int,
    epoch: int,
    pairs: bool = False,
    origin: int = 0,
    implementation: kernels.Implementation = "auto",
) -> Windows:
    """The windows whose middle lies at begin <= position < end; their context may lie outside.

    Releases the GIL. All implementations give the same numbers, bit for bit.

    Args:
        ids: (N,) int32 word numbers, `END_OF_SENTENCE` (-1) after each sentence. May be a memory-mapped file.
        begin, end: the stretch, 0 <= begin <= end <= N, counted from where `ids` begins.
        keep: (V,) float64, the probability with which each word stays (see `keep_probabilities`).
        probability, alias: (V,) float32 and (V,) int32, the noise distribution (see `alias_table`).
        window: the largest number of context words on one side.
        negatives: K.
        seed, epoch: 0 or more, below 2^63.
        pairs: whether negatives are drawn for each context word, which is then a window of its own.
        origin: where in the stream `ids` begins, if it is only a part of it (see `reach`).

    Raises:
        ValueError: a shape or dtype differs, or the stretch lies outside the stream.
        UserError: there is no such implementation.
    """
    (positions,) = match_shape(ids, -1, name="ids")
    (words,) = match_shape(keep, -1, name="keep")
    match_shape(probability, words, name="probability")
    match_shape(alias, words, name="alias")
    for name, array, dtype in (
        ("ids", ids, "int32"),
        ("keep", keep, "float64"),
        ("probability", probability, "float32"),
        ("alias", alias, "int32"),
    ):
        if str(array.dtype).removeprefix("torch.") != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    if not 0 <= begin <= end <= positions:
        raise ValueError(f"the stretch {begin}..{end} lies outside a stream of {positions} positions")
    if window < 1 or negatives < 0:
        raise ValueError(f"window must be 1 or more and negatives 0 or more, got {window} and {negatives}")
    draw = kernels.implementation("skipgram_windows", implementation, ids)
    return Windows(*draw(ids, begin, end, keep, probability, alias, window, negatives, seed, epoch, pairs, origin))


def reach(
    ids: np.ndarray,
    begin: int,
    end: int,
    keep: np.ndarray,
    *,
    window: int,
    negatives: int,
    seed: int,
    epoch: int,
    pairs: bool = False,
) -> tuple[int, int]:
    """The part of a stream that the windows of a stretch see: first, and one past the last, position.

    For who copies only that part to where the windows are drawn:

        first, last = reach(ids, begin, end, keep, **settings)
        skipgram_windows(ids[first:last], begin - first, end - first, …, **settings, origin=first)

    are the windows of `skipgram_windows(ids, begin, end, …, **settings)`. Arguments as there, NumPy arrays.
    """
    from neuralcore.kernels.skipgram_windows import cpu

    return cpu.reach(ids, begin, end, keep, window, negatives, seed, epoch, pairs)


def keep_probabilities(counts: np.ndarray, sample: float) -> np.ndarray:
    """(V,) float64: the probability with which each occurrence of a word stays in the stream.

    sqrt(t/f) + t/f, at most 1, with f the word's share of all occurrences and t = `sample`: the formula of word2vec's
    C program, which keeps a little more than the paper's sqrt(t/f). `sample` 0 keeps everything.
    """
    if sample == 0.0:
        return np.ones(len(counts))
    ratio = sample * counts.sum() / counts
    return np.minimum(np.sqrt(ratio) + ratio, 1.0)


def alias_table(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias table of a discrete distribution, by Vose's method (1991): (V,) float32 and (V,) int32.

    To draw: take a column uniformly; it is itself with its probability, otherwise its alias.

    Args:
        weights: (V,) non-negative, not all zero; need not sum to 1.
    """
    heights = (np.asarray(weights, dtype=np.float64) * (len(weights) / np.sum(weights))).tolist()
    probability = [1.0] * len(heights)
    alias = list(range(len(heights)))
    low = [i for i, height in enumerate(heights) if height < 1.0]
    high = [i for i, height in enumerate(heights) if height >= 1.0]
    while low and high:
        i, j = low.pop(), high[-1]
        probability[i], alias[i] = heights[i], j
        heights[j] -= 1.0 - heights[i]
        if heights[j] < 1.0:
            low.append(high.pop())
    return np.array(probability, dtype=np.float32), np.array(alias, dtype=np.int32)
