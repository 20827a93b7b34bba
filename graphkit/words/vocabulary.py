"""The words of a corpus, numbered by how often they occur: word 0 is the commonest."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_import("numpy")

COMPARED = 20_000  # words that an unknown one is compared with, the commonest that look at all alike


class Vocabulary:
    """V different words and their counts, in the order of their numbers.

    Args:
        words: the words; no word twice.
        counts: how often each occurs.

    Attributes:
        words: list of V strings.
        counts: (V,) int64.
        index: word -> its number.

    >>> v = Vocabulary.count([["b", "a", "b"], ["c", "a"]], min_count=2)
    >>> v.words, v.counts.tolist(), v["b"]
    (['a', 'b'], [2, 2], 1)
    """

    def __init__(self, words: Sequence[str], counts: Sequence[int] | np.ndarray):
        self.words = list(words)
        self.counts = np.asarray(counts, dtype=np.int64)
        self.index = {word: number for number, word in enumerate(self.words)}
        if self.counts.shape != (len(self.words),):
            raise ValueError(f"{len(self.words)} words, but counts of shape {self.counts.shape}")
        if len(self.index) != len(self.words):
            raise ValueError(f"{len(self.words) - len(self.index)} words are there twice")

    @classmethod
    def count(cls, sentences: Iterable[Sequence[str]], min_count: int = 1) -> Vocabulary:
        """Count the words of sentences; those rarer than `min_count` are left out.

        Ordered by count, the largest first, and equal counts by code point, so that the numbers depend neither on the
        order of the text nor on the machine. Memory: about 100 bytes a different word.

        Raises:
            UserError: no word is left.
        """
        counter: Counter[str] = Counter()
        for sentence in sentences:
            counter.update(sentence)
        words = list(counter)
        return cls.of_counts(lambda kept: [words[i] for i in kept], list(counter.values()), min_count)

    @classmethod
    def of_counts(
        cls, words: Callable[[np.ndarray], list[str]], counts: Sequence[int] | np.ndarray, min_count: int = 1
    ) -> Vocabulary:
        """As `count`, of words that are counted already.

        Args:
            words: gives the strings of some words by their numbers; only of those that stay.
            counts: of each word.
        """
        counts = np.asarray(counts, dtype=np.int64)
        kept = np.flatnonzero(counts >= max(min_count, 1))
        if not len(kept):
            raise UserError(
                f"min_count = {min_count} leaves no word: of {np.count_nonzero(counts):,} different words the "
                f"commonest occurs {counts.max(initial=0):,} times; lower min_count or give more text"
            )
        order = sorted(zip((-counts[kept]).tolist(), words(kept)))
        return cls([word for _, word in order], [-count for count, _ in order])

    @property
    def total(self) -> int:
        """Occurrences of all its words together."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> int:
        """The number of a word.

        Raises:
            UserError: it is not in the vocabulary; the most similar words are named.
        """
        number = self.index.get(word)
        if number is None:
            raise UserError(f"the word {word!r} is not among the {len(self):,} known ones{self._alike(word)}")
        return number

    def ids(self, words: Iterable[str]) -> np.ndarray:
        """(N,) int32, the numbers of N words; an unknown one raises as `vocabulary[word]` does."""
        return np.array([self[word] for word in words], dtype=np.int32)

    def _alike(self, word: str) -> str:
        """The end of the message about an unknown word; difflib is slow, so only likely words are compared."""
        if word.lower() in self.index:
            return f": did you mean {word.lower()!r}?"
        likely = (
            w for w in self.words if abs(len(w) - len(word)) <= 2 and (w[:1] == word[:1] or w[-1:] == word[-1:])
        )
        close = difflib.get_close_matches(word, itertools.islice(likely, COMPARED), n=3, cutoff=0.6)
        return (
            f": did you mean {' or '.join(map(repr, close))}?"
            if close
            else ": words rarer than min_count are left out"
        )
