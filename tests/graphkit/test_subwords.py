"""Subwords: fastText's buckets, rows in groups, and vectors of words that were never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import WordVectors
from graphkit.words.config import SkipGramConfig
from graphkit.words.subwords import Rows, Subwords
from neuralcore.errors import UserError

# What get_subwords of fastText 0.9.2 gives with minn=3, maxn=6, bucket=1000, less the number of its words.
FASTTEXT = {
    "apple": [650, 350, 414, 201, 92, 456, 167, 483, 739, 738, 20, 548, 902, 844],
    "naïve": [890, 692, 190, 201, 546, 404, 43, 687, 832, 7, 331, 570, 548, 654],
    "中文": [167, 531, 513],
}


def test_buckets_are_those_of_fasttext() -> None:
    rows = Subwords(3, 6, 1000).rows(list(FASTTEXT), known=False)
    for number, buckets in enumerate(FASTTEXT.values()):
        assert rows.rows[rows.offsets[number] : rows.offsets[number + 1]].tolist() == buckets
    known = Subwords(3, 6, 1000).rows(list(FASTTEXT))
    for number, buckets in enumerate(FASTTEXT.values()):
        found = known.rows[known.offsets[number] : known.offsets[number + 1]].tolist()
        assert found == [number, *(3 + bucket for bucket in buckets)]


def test_groups_of_words_become_groups_of_rows() -> None:
    made_of = Rows(np.array([0, 2, 2, 5]), np.array([7, 8, 4, 5, 6], dtype=np.int32))
    offsets, rows = made_of.of(np.array([2, 0, 1, 2], dtype=np.int32), np.array([0, 1, 1, 3, 4]))
    assert rows.tolist() == [4, 5, 6, 7, 8, 4, 5, 6]
    assert offsets.tolist() == [0, 3, 3, 5, 8]
    assert rows.dtype == np.int32
    table = np.arange(18, dtype=np.float32).reshape(9, 2)
    np.testing.assert_allclose(made_of.means(table), [[15, 16], [0, 0], [10, 11]])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Sentences of words that share a beginning."""
    rng = np.random.default_rng(0)
    words = {first: [first + second for second in "rstuvw"] for first in "abc"}
    lines = (" ".join(rng.choice(words[first], 8)) for first in rng.choice(list("abc"), 600))
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines))
    return path


SETTINGS: dict[str, Any] = {"dimension": 16, "epochs": 10, "sample": 0.0, "learning_rate": 0.05, "longest_ngram": 2}


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_a_word_never_seen_lies_with_those_it_resembles(model: str, text: Path, tmp_path: Path) -> None:
    vectors = WordVectors.train(text, shortest_ngram=1, buckets=500, model=model, **SETTINGS)
    assert "ax" not in vectors
    assert {other[0] for other, _ in vectors.neighbours("ax", 5)} == {"a"}
    assert vectors.similarity("ax", "at") > vectors.similarity("ax", "bt")
    np.testing.assert_array_equal(vectors["at"], vectors.matrix[vectors.vocabulary["at"]])
    loaded = WordVectors.load(vectors.save(tmp_path / "vectors"))
    np.testing.assert_array_equal(loaded["ax"], vectors["ax"])
    assert loaded.neighbours("ax") == vectors.neighbours("ax")


def test_without_ngrams_an_unknown_word_is_told(text: Path) -> None:
    vectors = WordVectors.train(text, **{**SETTINGS, "longest_ngram": 0, "epochs": 1})
    assert vectors.ngrams is None
    with pytest.raises(UserError, match="'ax' is not among"):
        vectors["ax"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"longest_ngram": 2}, "shortest_ngram must lie between 1 and longest_ngram = 2, got 3"),
        ({"longest_ngram": 6, "buckets": 0}, "buckets must lie between 1"),
        ({"buckets": 10}, "change nothing without longest_ngram"),
        ({"longest_ngram": 6, "per_pair": True}, "per_pair changes nothing"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SkipGramConfig(**settings)
