"""BM25, the lexical search that vectors have to beat, by the library bm25s (Lù 2024, https://arxiv.org/abs/2407.03618).

    score(q, d) = Σ_{w in q} ln(1 + (N - n_w + 1/2) / (n_w + 1/2)) · f / (f + k1 (1 - b + b |d| / mean |d|))

as in Lucene: f is how often w is in d, n_w in how many of the N documents it is (Robertson & Zaragoza 2009). Words
are runs of two letters or digits or more, lower-cased, without the library's stop words, cut to Snowball's stems
(Porter 2001). The library keeps a score for each word and document, which is what is saved here; its own files carry
no hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphkit.graphs.names import Names
from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import

bm25s = lazy_import("bm25s", extra="text")
Stemmer = lazy_import("Stemmer", extra="text")

# Those for which the library has stop words and Snowball has a stemmer.
LANGUAGES = (
    *("english", "danish", "dutch", "french", "german", "italian", "norwegian"),
    *("portuguese", "russian", "spanish", "swedish", "turkish", "none"),
)


class BM25:
    """The words of N documents and their scores; made by `build` or `of_arrays`.

    Attributes:
        language: whose stop words and stems; "none" keeps words as they are, lower-cased.
    """

    def __init__(self, library: Any, language: str):
        self._library, self.language = library, language

    @classmethod
    def build(cls, texts: Sequence[str], language: str = "english", k1: float = 1.5, b: float = 0.75) -> BM25:
        """Index texts.

        Args:
            k1: how much a word's repetition counts, 0 for not at all. b: how much long documents are held back, 0
                to 1. The defaults are the library's.

        Raises:
            UserError: no such language, k1 or b are out of range, no text has a word, or the extra is not installed.
        """
        if language not in LANGUAGES:
            raise UserError(f"no language {language!r}: {nearest(language, LANGUAGES)}")
        if not (k1 >= 0.0 and 0.0 <= b <= 1.0):
            raise UserError(f"k1 = {k1}, b = {b}: k1 is 0 or more, b between 0 and 1")
        tokens = tokenize(texts, language)
        # Sorted: the library numbers the words by a set's order, which differs from run to run.
        vocabulary = {word: i for i, word in enumerate(sorted(set().union(*tokens)))}
        if not vocabulary:
            raise UserError(f"none of the {len(texts):,} texts has a word beside stop words: is the language right?")
        library = bm25s.BM25(k1=k1, b=b, method="lucene")
        ids = [[vocabulary[word] for word in text] for text in tokens]
        library.index((ids, vocabulary), show_progress=False, create_empty_token=False)
        return cls(library, language)

    def scores(self, query: str) -> np.ndarray:
        """(N,) float32; zeros where no word of the query is."""
        (tokens,) = tokenize([query], self.language)
        return self._library.get_scores_from_ids(self._library.get_tokens_ids(tokens))

    def arrays(self) -> dict[str, np.ndarray]:
        """All there is to keep, for `of_arrays`."""
        scores = self._library.scores
        words = Names.of(list(self._library.vocab_dict))
        found = {f"bm25.{name}": np.asarray(scores[name]) for name in ("data", "indices", "indptr")}
        return {**found, "bm25.words": words.data, "bm25.offsets": words.offsets}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], documents: int, language: str) -> BM25:
        """What `arrays` gave, of an index of that many documents."""
        library = bm25s.BM25(method="lucene")
        library.scores = {name: arrays[f"bm25.{name}"] for name in ("data", "indices", "indptr")}
        library.scores["num_docs"] = documents
        library.nonoccurrence_array = None
        words = Names(arrays["bm25.words"], arrays["bm25.offsets"])
        library.vocab_dict = {word: i for i, word in enumerate(words)}
        return cls(library, language)


def tokenize(texts: Sequence[str], language: str) -> list[list[str]]:
    """The words of texts that BM25 counts."""
    plain = language == "none"
    return bm25s.tokenize(
        list(texts),
        stopwords=[] if plain else language,
        stemmer=None if plain else Stemmer.Stemmer(language),
        return_ids=False,
        show_progress=False,
    )
