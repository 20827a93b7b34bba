"""Phrases: words that follow each other more often than chance would have it become one, New York as new_york.

Mikolov et al. 2013, https://arxiv.org/abs/1310.4546, section 4; `neuralcore.kernels.pair_counts` says the score,
`neuralcore.kernels.join_pairs` which words of a row are joined. Several passes with falling thresholds make longer
phrases of shorter ones (new_york_times), as the paper does.

    stream = Corpus("corpus.txt").read(1)          # all words: those left out would leave no gap
    stream, found = join_phrases(stream, min_count=5)

Deviation: gensim's default score has the number of different words and pairs where this has the number of words in
the text, as the paper's own program word2phrase, so its thresholds are others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from graphkit.words.stream import WordStream
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError
from neuralcore.kernels.join_pairs import join_pairs
from neuralcore.kernels.pair_counts import pair_counts
from neuralcore.kernels.sentence_ids import open_sentence, sentence_ids
from neuralcore.kernels.skipgram_windows import END_OF_SENTENCE

BETWEEN = "_"
PIECE = 1 << 22  # positions counted at once: bincount makes 8 bytes of each 4


class Phrase(NamedTuple):
    """Two neighbours that became one word."""

    first: str
    second: str
    occurrences: int
    """how often they stand beside each other, before any are joined"""
    score: float


def join_phrases(
    stream: WordStream, *, min_count: int, thresholds: Sequence[float] = (100.0,), discount: float = 5.0
) -> tuple[WordStream, list[Phrase]]:
    """The stream with its phrases as words, and what the phrases are, the highest score of each pass first.

    Takes 4 bytes a word of memory for each of two streams, and 16 for each pair that could be a phrase.

    Args:
        stream: with all words (`min_count` 1 when it was read): words that were left out do not keep apart what
            stands on both sides of them.
        min_count: words and phrases that then occur less often are left out.
        thresholds: the score that a phrase exceeds, one for each pass; lower gives more phrases.
        discount: taken off the count of each pair, so that rare words are no phrase for having met once or twice.

    Raises:
        UserError: no word is left, or a setting is out of range.

    >>> ids = np.array([0, 1, 2, -1] * 9 + [2, 3, -1] * 90, dtype=np.int32)
    >>> stream = WordStream(Vocabulary(["new", "york", "is", "old"], [9, 9, 99, 90]), ids)
    >>> joined, found = join_phrases(stream, min_count=2, thresholds=[10.0], discount=1.0)
    >>> joined.vocabulary.words, round(found[0].score, 2)
    (['is', 'old', 'new_york'], 20.44)
    """
    if not thresholds or min(thresholds) <= 0.0:
        raise UserError(f"thresholds = {list(thresholds)}: give one above 0 for each pass")
    if discount < 0.0:
        raise UserError(f"discount = {discount}: must be 0 or more")
    words, ids, found = list(stream.vocabulary.words), np.asarray(stream.ids), []
    number = {word: i for i, word in enumerate(words)}
    for threshold in thresholds:
        counts = _counts(ids, len(words))
        pairs = pair_counts(ids, counts, discount=discount, threshold=threshold)
        of_first, of_second = counts[pairs.words].T
        scores = (pairs.counts - discount) * counts.sum() / of_first / of_second
        joined = np.empty(len(scores), dtype=np.int32)
        new = []
        for i, ((a, b), count, score) in enumerate(zip(pairs.words.tolist(), pairs.counts.tolist(), scores.tolist())):
            name = words[a] + BETWEEN + words[b]
            # The text may have such a word already, or another pair may read the same: then they are one word.
            joined[i] = number.setdefault(name, len(number))
            new.append(Phrase(words[a], words[b], count, score))
        words += list(number)[len(words) :]
        ids = join_pairs(ids, pairs.words, joined)
        found += sorted(new, key=lambda phrase: (-phrase.score, phrase.first, phrase.second))
    return _without_rare(words, ids, min_count), found


def _counts(ids: np.ndarray, words: int) -> np.ndarray:
    counts = np.zeros(words, dtype=np.int64)
    for begin in range(0, len(ids), PIECE):
        piece = ids[begin : begin + PIECE]
        counts += np.bincount(piece[piece != END_OF_SENTENCE], minlength=words)
    return counts


def _without_rare(words: Sequence[str], ids: np.ndarray, min_count: int) -> WordStream:
    """The stream with a vocabulary of its own, by count, and without the words below `min_count`."""
    vocabulary = Vocabulary.of_counts(
        lambda kept: [words[i] for i in kept.tolist()], _counts(ids, len(words)), min_count
    )
    id_of = np.array([vocabulary.index.get(word, END_OF_SENTENCE) for word in words], dtype=np.int32)
    each = np.arange(len(words) + 1)
    return WordStream(vocabulary, sentence_ids(ids, each, id_of, open_sentence(), length=len(ids) + 1))
