from __future__ import annotations

import doctest
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import samples
from graphkit.words import phrases
from graphkit.words.corpus import Corpus
from graphkit.words.phrases import join_phrases
from graphkit.words.stream import WordStream
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError


def numbered(sentences: list[list[str]]) -> WordStream:
    vocabulary = Vocabulary.count(sentences)
    return WordStream(vocabulary, np.array([i for s in sentences for i in [*vocabulary.ids(s), -1]], dtype=np.int32))


def read_back(stream: WordStream) -> list[list[str]]:
    sentences: list[list[str]] = [[]]
    for i in stream.ids.tolist():
        if i >= 0:
            sentences[-1].append(stream.vocabulary.words[i])
        else:
            sentences.append([])
    return sentences[:-1]


def plain(sentences: list[list[str]], discount: float, threshold: float) -> list[list[str]]:
    """One pass, on lists of strings and with Counters: an independent oracle."""
    counts = Counter(word for s in sentences for word in s)
    pairs = Counter(pair for s in sentences for pair in pairwise(s))
    total = sum(counts.values())
    one = {
        (a, b) for (a, b), count in pairs.items() if (count - discount) * total / counts[a] / counts[b] > threshold
    }
    out = []
    for sentence in sentences:
        left, joined = list(sentence), []
        while left:
            if tuple(left[:2]) in one:
                joined.append("_".join(left[:2]))
                del left[:2]
            else:
                joined.append(left.pop(0))
        out.append(joined)
    return out


def test_by_hand() -> None:
    assert doctest.testmod(phrases).failed == 0


@pytest.fixture(scope="module")
def shakespeare() -> list[list[str]]:
    return list(Corpus(samples.path("tinyshakespeare")).sentences())


def test_one_pass_and_two(shakespeare: list[list[str]]) -> None:
    once, found = join_phrases(numbered(shakespeare), min_count=1, thresholds=[60.0], discount=4.0)
    expected = plain(shakespeare, 4.0, 60.0)
    assert read_back(once) == expected
    assert once.vocabulary.words == Vocabulary.count(expected).words
    assert once.vocabulary.counts.tolist() == Vocabulary.count(expected).counts.tolist()
    assert ("first", "murderer") in {(p.first, p.second) for p in found}
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert min(p.score for p in found) > 60.0

    twice, more = join_phrases(numbered(shakespeare), min_count=1, thresholds=[60.0, 30.0], discount=4.0)
    assert read_back(twice) == plain(expected, 4.0, 30.0)
    assert more[: len(found)] == found
    assert any("_" in p.first + p.second for p in more)


def test_rare_words_are_left_out_afterwards(shakespeare: list[list[str]]) -> None:
    stream, _ = join_phrases(numbered(shakespeare), min_count=6, thresholds=[60.0], discount=4.0)
    expected = plain(shakespeare, 4.0, 60.0)
    vocabulary = Vocabulary.count(expected, 6)
    assert stream.vocabulary.words == vocabulary.words
    kept = [[word for word in s if word in vocabulary] for s in expected]
    assert read_back(stream) == [s for s in kept if s]


def test_a_phrase_may_read_like_a_word_of_the_text() -> None:
    sentences = [["a", "b"]] * 9 + [["a_b"]] * 2 + [["x", "y"]] * 50
    stream, found = join_phrases(numbered(sentences), min_count=1, thresholds=[5.0], discount=0.0)
    assert [(p.first, p.second, p.occurrences) for p in found] == [("a", "b", 9)]
    assert dict(zip(stream.vocabulary.words, stream.vocabulary.counts.tolist())) == {"x": 50, "y": 50, "a_b": 11}


def score_by_words(worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count):
    """By the number of words, as word2phrase; gensim asks for these names, and for a function of a module."""
    return (bigram_count - min_count) * corpus_word_count / worda_count / wordb_count


def test_as_gensim_with_this_score(shakespeare: list[list[str]]) -> None:
    models = pytest.importorskip("gensim.models.phrases", reason="gensim is not installed")

    theirs = models.Phrases(shakespeare, min_count=4, threshold=60.0, scoring=score_by_words)
    ours, _ = join_phrases(numbered(shakespeare), min_count=1, thresholds=[60.0], discount=4.0)
    assert read_back(ours) == [theirs[sentence] for sentence in shakespeare]


@pytest.mark.parametrize("settings", [{"thresholds": []}, {"thresholds": [1.0, 0.0]}, {"discount": -1.0}])
def test_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"thresholds = \[|discount = -1"):
        join_phrases(numbered([["a", "b"]]), min_count=1, **settings)


def test_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("new york is big\n" * 9 + "big is new\n" * 30 + "york\n" + "so it is so\n" * 300)
    stream, found = join_phrases(Corpus(tmp_path / "t.txt").read(1), min_count=2, thresholds=[5.0], discount=2.0)
    assert [(p.first, p.second, p.occurrences) for p in found] == [("new", "york", 9)]
    assert "york" not in stream.vocabulary
    assert stream.ids.max() == len(stream.vocabulary) - 1
