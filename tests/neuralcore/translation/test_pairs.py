"""Pairs of sentences: files, what is wrong with them, the language that is made, and batches of similar lengths."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from neuralcore.errors import UserError
from neuralcore.translation.pairs import read_pairs, similar_rows
from neuralcore.translation.toy import toy_sentences


def test_files(here: Path) -> None:
    (here / "train.en").write_text("a cat\n two dogs \n")
    (here / "train.de.gz").write_bytes(gzip.compress("eine Katze\nzwei Hünde\n".encode()))
    (here / "val.en.txt").write_text("one\n")
    (here / "val.de.txt").write_text("eins\n")
    found = read_pairs(".", "en", "de")
    assert list(found) == ["train", "valid"]
    assert found["train"].source == ["a cat", "two dogs"]
    assert read_pairs(".", "de", "en")["train"].source[1] == "zwei Hünde"
    with pytest.raises(UserError, match=r"has no train\.en and train\.fr"):
        read_pairs(".", "en", "fr")
    with pytest.raises(UserError, match=r"has no flickr\.en and flickr\.de"):
        read_pairs(".", "en", "de", "flickr")
    with pytest.raises(UserError, match="'nowhere' is no folder"):
        read_pairs("nowhere", "en", "de")


def test_files_that_do_not_belong_together(here: Path) -> None:
    (here / "train.en").write_text("a\nb\n")
    (here / "train.de").write_text("a\nb\nc\n")
    with pytest.raises(UserError, match=r"have 2 and 3 lines"):
        read_pairs(".", "en", "de")
    (here / "train.de").write_text("a\n\nc\n")
    (here / "train.en").write_text("a\nb\nc\n")
    with pytest.raises(UserError, match=r"train\.de:2: nothing in this line"):
        read_pairs(".", "en", "de")
    (here / "train.de").write_bytes(b"a\nb\xff\nc\n")
    with pytest.raises(UserError, match=r"train\.de:2: byte 3 is 0xff"):
        read_pairs(".", "en", "de")


def test_the_made_language() -> None:
    source, target = toy_sentences(500, seed=1)
    known: dict[str, str] = {}
    for one, other in zip(source, target):
        assert known.setdefault(one, other) == other  # a sentence has one translation
        assert len(one.split()) == len(other.split())
    assert toy_sentences(5, seed=1) == (source[:5], target[:5])
    assert len(set(source)) > 480
    found = read_pairs("toy", "tgt", "src")
    assert {name: len(pairs) for name, pairs in found.items()} == {"train": 4000, "valid": 200, "test": 200}
    assert found["test"].target == toy_sentences(200, seed=2)[0]
    with pytest.raises(UserError, match='languages of "toy" are src and tgt, not en and tgt'):
        read_pairs("toy", "en", "tgt")


def test_batches_are_of_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(2, 30, (1003, 2))
    rows = similar_rows(lengths, 32, np.random.default_rng(1))
    assert sorted(rows) == list(range(1003))
    batches = rows[: 1003 // 32 * 32].reshape(-1, 32)
    spread = [np.ptp(lengths[batch, 1]) for batch in batches]
    assert max(spread) <= 2
    means = lengths[batches, 1].mean(1)
    assert (np.diff(means) < 0).any()  # and not from short to long
    again = similar_rows(lengths, 32, np.random.default_rng(2))
    assert {frozenset(b) for b in batches.tolist()} != {frozenset(b) for b in again[:992].reshape(-1, 32).tolist()}
    assert sorted(similar_rows(lengths[:7], 7, np.random.default_rng(0))) == list(range(7))
