"""SkipGramConfig: the settings of word vectors, in a file that costs nothing to import."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from graphkit.words.subwords import Subwords


class _Whole(int):
    """A default that another loss may change, as a number that was named may not."""


class _Real(float):
    """The same."""


# What GloVe has in place of the defaults (the paper, section 4.2, but for the epochs: 50 there, 25 in the C program).
GLOVE = {
    "window": _Whole(10),
    "epochs": _Whole(25),
    "learning_rate": _Real(0.05),
    "checkpoint_every": _Whole(200_000_000),
}


@dataclass(frozen=True)
class SkipGramConfig:
    """Settings of skip-gram, CBOW and GloVe; the defaults are those of word2vec's C program, or of GloVe's."""

    model: Literal["skipgram", "cbow"] = "skipgram"
    """what predicts a word: each word near it, one after the other, or the mean of all of them"""
    loss: Literal["negative_sampling", "hierarchical_softmax", "margin", "glove"] = "negative_sampling"
    """what it is told apart from: words drawn by their counts; all words, along a Huffman tree; or again drawn words,
    which are to score less by 1 (Collobert & Weston 2008); glove: no prediction, but co-occurrences that are counted
    first (graphkit.words.glove)"""
    dimension: int = 100
    """numbers of a word's vector (the paper: 300)"""
    window: int = _Whole(5)
    """words on each side at most; the size is drawn uniformly from 1 to this (the paper: 5). GloVe counts a word that
    is d words away 1/d times (default then: 10)"""
    negatives: int = 5
    """noise words against each true one (the paper: 5 to 20 for small texts, 2 to 5 for large ones)"""
    per_pair: bool = False
    """draw the noise words anew for each pair of words, as the paper does, not for each window: two times slower"""
    shortest_ngram: int = 3
    """characters of the shortest n-grams that words are also made of (fastText: 3)"""
    longest_ngram: int = 0
    """characters of the longest ones (fastText: 6); 0 for none: each word has one vector of its own"""
    buckets: int = 200_000
    """vectors that all n-grams share, by a hash (fastText: 2,000,000)"""
    epochs: int = _Whole(5)
    """passes over the text, or over GloVe's co-occurrences (default then: 25)"""
    learning_rate: float = _Real(0.025)
    """step size at the start; GloVe's AdaGrad has it throughout (default then: 0.05)"""
    minimum_learning_rate: float = 0.0001
    """step size at the end; in between it falls in a straight line"""
    sample: float = 1e-3
    """share of the text above which a word is thinned out, 0 for never (the paper: 1e-5, the C program: 1e-3)"""
    x_max: float = 100.0
    """GloVe's: co-occurrences from which on a pair of words counts in full (the paper: 100)"""
    min_count: int = 5
    """words that occur less often are left out"""
    tokenizer: str = "words"
    """words: runs of letters; whitespace: already cut; or a .json file of the package tokenizers"""
    lowercase: bool = True
    """whether Word and word are the same"""
    phrases: tuple[float, ...] = ()
    """scores above which two words that follow each other become one, a pass over the text each; 100 50 gives phrases
    of up to four words (graphkit.words.phrases)"""
    seed: int = 0
    """of everything random"""
    threads: int = 1
    """1: the same seed gives the same bytes; more: faster, without locks (Hogwild), and not the same twice. Where a
    GPU trains they read the text"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one (there no training gives the same bytes twice)"""
    checkpoint_every: int = _Whole(20_000_000)
    """words, or GloVe's co-occurrences (default then: 200,000,000), between two checkpoints of a run folder"""

    @property
    def subwords(self) -> Subwords | None:
        """The n-grams that words are made of, or None."""
        from graphkit.words.subwords import Subwords

        return Subwords(self.shortest_ngram, self.longest_ngram, self.buckets) if self.longest_ngram else None

    def __post_init__(self) -> None:
        for name, of_glove in GLOVE.items():
            if isinstance(getattr(self, name), (_Whole, _Real)):
                object.__setattr__(self, name, of_glove if self.loss == "glove" else getattr(type(self), name))
        for name in ("dimension", "window", "negatives", "epochs", "min_count", "threads", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.loss == "hierarchical_softmax" and (self.negatives, self.per_pair) != (type(self).negatives, False):
            raise ValueError("negatives and per_pair change nothing in hierarchical softmax: leave them out")
        if self.loss == "glove":
            for name in (
                "model",
                "negatives",
                "per_pair",
                "longest_ngram",
                "minimum_learning_rate",
                "sample",
                "device",
            ):
                if getattr(self, name) != getattr(type(self), name):
                    raise ValueError(f"{name} changes nothing in GloVe: leave it out")
        elif self.x_max != type(self).x_max:
            raise ValueError("x_max is GloVe's: it changes nothing without loss = glove")
        if not 0.0 < self.x_max < math.inf:
            raise ValueError(f"x_max must be above 0, got {self.x_max}")
        if self.per_pair and (self.model == "cbow" or self.longest_ngram):
            raise ValueError(
                "per_pair changes nothing in CBOW and with n-grams: negatives are drawn for each step there"
            )
        if self.longest_ngram:
            if not 1 <= self.shortest_ngram <= self.longest_ngram:
                bounds = f"between 1 and longest_ngram = {self.longest_ngram}"
                raise ValueError(f"shortest_ngram must lie {bounds}, got {self.shortest_ngram}")
            if not 1 <= self.buckets < 2**30:
                raise ValueError(f"buckets must lie between 1 and 2^30, got {self.buckets}")
        elif (self.shortest_ngram, self.buckets) != (type(self).shortest_ngram, type(self).buckets):
            raise ValueError("shortest_ngram and buckets change nothing without longest_ngram: set that too")
        if any(not 0.0 < threshold < math.inf for threshold in self.phrases):
            raise ValueError(f"phrases are scores above 0, got {' '.join(map(str, self.phrases))}")
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.loss != "glove" and not 0.0 <= self.minimum_learning_rate <= self.learning_rate:
            raise ValueError(
                f"minimum_learning_rate must lie between 0 and learning_rate = {self.learning_rate}, "
                f"got {self.minimum_learning_rate}"
            )
        if not 0.0 <= self.sample <= 1.0:
            raise ValueError(f"sample is a share of the text, between 0 and 1, got {self.sample}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must lie between 0 and 2^63 - 1, got {self.seed}")
