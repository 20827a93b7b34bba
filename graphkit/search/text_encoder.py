"""Text as a vector: the mean of its words' vectors, frequent words weighing less, what all texts share taken out.

    v(s) = 1/|s| Σ_w a / (a + p(w)) · x_w,    then v(s) - u uᵀ v(s)

Smooth inverse frequency (SIF), Arora, Liang & Ma, ICLR 2017 (algorithm 1): p(w) is the share of w among the words of
a large text, u the first principal component, uncentred, of the texts it is fitted on; here u may be several. p(w) is
taken from the text the vectors were learnt from, where that is known, else from the texts themselves: a word that is
frequent in one field alone tells its documents apart no less (docs/results/text_search.md has figures). |s| counts
the words that have a vector. Words that were not counted have p(w) = 0 and weigh most; those that have no vector get
one from their n-grams where the vectors have these (`SkipGramConfig.longest_ngram`), else they are left out, which
`unknown` tells. Phrases of the vectors' vocabulary (new_york) are not looked for.

Whatever has `encode` as `TextEncoder` says can take this encoder's place in a `TextIndex`.
Axes: B texts, T different words among them, V words, D dimension, C components.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from graphkit.vectors_folder import read_vectors, write_vectors
from graphkit.words.config import SkipGramConfig
from graphkit.words.corpus import Tokenizer
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.config import from_mapping, to_mapping
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

scipy_sparse = lazy_import("scipy.sparse")

KIND = "text_encoder"
BLOCK = 4096  # texts encoded at once


class TextEncoder(Protocol):
    """What makes vectors of texts."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(B, D) float32; a row of zeros where nothing of a text is known."""
        ...


class SIFEncoder:
    """Word vectors as an encoder of texts; made by `fit` or `load`.

    Args:
        words: the vectors of words.
        counts: how often words are in the text that p(w) is of.
        components: (C, D) orthonormal rows that are taken out.
        a: the weight's parameter; words rarer than it count nearly in full.

    Attributes:
        known_share: of the words of the texts it was fitted on, how many have a vector, as a share.
    """

    known_share = 0.0

    def __init__(self, words: WordVectors, counts: dict[str, int], components: np.ndarray, a: float):
        if not a > 0.0:
            raise UserError(f"a = {a}: the weight a / (a + p) needs it above 0 (the paper: 1e-3)")
        self.words, self.counts, self.components, self.a = words, counts, components, a
        self._total = max(sum(counts.values()), 1)

    @classmethod
    def fit(
        cls,
        words: WordVectors,
        texts: Sequence[str],
        *,
        a: float = 1e-4,
        components: int = 1,
        frequencies: Literal["words", "texts"] | None = None,
    ) -> SIFEncoder:
        """Find what the vectors of texts share.

        Args:
            words: vectors of any run or file. a: see above; the paper says 1e-3 to 1e-4. components: how many are
                taken out, 0 for none.
            frequencies: what p(w) is of: "words", the text the vectors were learnt from, whose counts only vectors
                trained by this package have; "texts". None: the first where there is one.

        Raises:
            UserError: "words" is asked of vectors without counts, no text has a known word, or there are
                fewer numbers in a vector than components.
        """
        if not 0 <= components < words.matrix.shape[1]:
            raise UserError(
                f"components = {components}: vectors of {words.matrix.shape[1]} numbers have 0 or more, less"
            )
        encoder = cls(words, {}, np.zeros((0, words.matrix.shape[1])), a)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(encoder.tokens(text))
        known = encoder._vectors(list(counts)).any(axis=1)
        encoder.known_share = float(np.array(list(counts.values()))[known].sum() / max(counts.total(), 1))
        if not encoder.known_share:
            raise UserError(
                f"none of the {len(texts):,} texts has a word with a vector: are they of the same language?"
            )
        if frequencies == "words" and words.config is None:
            raise UserError("vectors of another program come without counts of their text: take those of the texts")
        if frequencies == "words" or (frequencies is None and words.config is not None):
            encoder.counts = dict(zip(words.words, words.vocabulary.counts.tolist()))
        else:
            encoder.counts = dict(sorted(counts.items()))
        encoder._total = sum(encoder.counts.values())
        moments = np.zeros((words.matrix.shape[1],) * 2)
        for start in range(0, len(texts), BLOCK):
            vectors = encoder._means(texts[start : start + BLOCK])
            moments += vectors.T @ vectors
        if components:
            encoder.components = np.ascontiguousarray(np.linalg.eigh(moments)[1].T[::-1][:components])
        return encoder

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(B, D) float32; a row of zeros where no word of a text has a vector. Rows do not depend on each other."""
        found = np.zeros((len(texts), self.words.matrix.shape[1]), np.float32)
        for start in range(0, len(texts), BLOCK):
            vectors = self._means(texts[start : start + BLOCK])
            for component in self.components:  # .sum and not @: BLAS may add up a row by its place in the batch
                vectors -= (vectors * component).sum(axis=1)[:, None] * component
            found[start : start + BLOCK] = vectors
        return found

    def unknown(self, text: str) -> list[str]:
        """The words of a text that have no vector, each once, in their order."""
        tokens = list(dict.fromkeys(self.tokens(text)))
        return [token for token, row in zip(tokens, self._vectors(tokens)) if not row.any()]

    def tokens(self, text: str) -> list[str]:
        """The words of a text, cut as the vectors' own text was; by "words" for those of other programs.

        Such vectors may be of one case or of both: a word that is not among them is lower-cased.
        """
        found = [token for line in self._tokenizer.tokenized(text) for token in line]
        if self._tokenizer.lowercase:
            return found
        return [token if token in self.words else token.lower() for token in found]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        config = self.words.config
        return Tokenizer("words", False) if config is None else Tokenizer(config.tokenizer, config.lowercase)

    def _vectors(self, tokens: Sequence[str]) -> np.ndarray:
        """(T, D) float32; zeros for words without a vector."""
        if self.words.ngrams is not None:
            return self.words.vectors_of(tokens) if tokens else np.zeros((0, self.words.matrix.shape[1]), np.float32)
        rows = np.array([self.words.vocabulary.index.get(token, -1) for token in tokens], np.int64)
        return np.where((rows >= 0)[:, None], self.words.matrix[rows], np.float32(0.0))

    def _means(self, texts: Sequence[str]) -> np.ndarray:
        """(B, D) float64, the weighted means before components are taken out."""
        bags = [Counter(self.tokens(text)) for text in texts]
        tokens = sorted(set().union(*bags)) if bags else []
        vectors = self._vectors(tokens)
        known = np.asarray(vectors.any(axis=1))
        place = {token: i for i, token in enumerate(tokens)}
        weights = self.a / (self.a + np.array([self.counts.get(token, 0) / self._total for token in tokens]))
        # Sorted within each text: then its sum is added up in the same order whatever the batch is.
        pairs = [(place[token], count) for bag in bags for token, count in sorted(bag.items())]
        columns, counts = np.array(pairs, np.int64).reshape(-1, 2).T
        offsets = np.cumsum([0, *map(len, bags)])
        share = scipy_sparse.csr_array((counts * known[columns], columns, offsets), shape=(len(texts), len(tokens)))
        lengths = np.maximum(share.sum(axis=1), 1)
        return (share.astype(np.float64) @ (weights[:, None] * vectors.astype(np.float64))) / lengths[:, None]

    def save(self, folder: str | Path) -> Path:
        """Write word vectors, counts and components into a folder, in place of what it held."""
        words, vocabulary = self.words, self.words.vocabulary
        others = sorted(self.counts.keys() - vocabulary.index.keys())
        columns = {
            "word": [*words.words, *others],
            "count": [*vocabulary.counts.tolist(), *[0] * len(others)],
            "weighed": [self.counts.get(word, 0) for word in [*words.words, *others]],
        }
        arrays = {"vectors": words.matrix, "components": self.components}
        if words.ngrams is not None:
            arrays["ngrams"] = words.ngrams
        details: dict[str, Any] = {"a": self.a, "known_share": self.known_share}
        if words.config is not None:
            details["config"] = to_mapping(words.config)
        return write_vectors(Path(folder), KIND, arrays, columns, details)

    @classmethod
    def load(cls, folder: str | Path) -> SIFEncoder:
        """The encoder that `save` wrote.

        Raises:
            UserError: there is none, or a file is not as it was written.
        """
        arrays, columns, manifest = read_vectors(Path(folder), KIND)
        config = from_mapping(SkipGramConfig, manifest["config"]) if "config" in manifest else None
        size = len(arrays["vectors"])
        vocabulary = Vocabulary(columns["word"][:size], columns["count"][:size])
        words = WordVectors(vocabulary, arrays["vectors"], config, arrays.get("ngrams"))
        counts = {word: count for word, count in zip(columns["word"], columns["weighed"]) if count}
        encoder = cls(words, counts, arrays["components"], manifest["a"])
        encoder.known_share = manifest["known_share"]
        return encoder
