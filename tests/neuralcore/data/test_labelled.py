"""Labelled sentences, tagged words, word vectors and running text, and what is said of bad ones."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.data.labelled import read_sentences, read_tagged
from neuralcore.data.made_texts import BAD, GOOD, opinions, tagged
from neuralcore.data.penn import penn_words, sentences
from neuralcore.data.word_vectors import read_word_vectors
from neuralcore.errors import UserError


def test_running_text_is_cut_as_treebanks_are() -> None:
    text = "\"I don't (really) know,\" said Mr. Smith's dogs' owner... It cost 1,000 -- 'tis well-known: J. R."
    words = "`` i do n't -lrb- really -rrb- know , '' said mr. smith 's dogs ' owner ... it cost 1,000"
    words += " -- ` tis well-known : j. r."
    assert penn_words(text) == words.split()
    assert penn_words(words) == words.split()  # what is cut already stays
    assert penn_words("She’d “never” — they’re…") == ["she", "'d", "``", "never", "''", "--", "they", "'re", "..."]
    assert penn_words(" \n") == []


def test_sentences_end_before_a_capital_but_not_behind_titles() -> None:
    text = 'Hello there. Mr. Smith came! "What?" He said so. J. R. Tolkien wrote 3.5 pages. ok'
    assert sentences(text) == [
        "Hello there.",
        "Mr. Smith came!",
        '"What?"',
        "He said so.",
        "J. R. Tolkien wrote 3.5 pages. ok",
    ]


def test_a_set_is_the_beginning_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "mood.train.all.txt").write_text("good fine film\nbad dull film\ngood yes\nbad no\n")
    (tmp_path / "mood.dev.txt").write_text("good a b\n")
    with gzip.open(tmp_path / "mood.test.txt.gz", "wb") as file:
        file.write(b"bad c\n")
    (tmp_path / "other.train.txt").write_text("x y\n")
    found = read_sentences(str(tmp_path / "mood"), valid=0.5, seed=0)
    assert {split: list(some.texts) for split, some in found.items()} == {
        "train": ["fine film", "dull film", "yes", "no"],
        "valid": ["a b"],
        "test": ["c"],
    }
    assert found["train"].names == ("bad", "good")
    assert found["train"].labels.tolist() == [1, 0, 1, 0]
    assert found["test"].labels.tolist() == [0]
    (tmp_path / "mood.dev.txt").unlink()
    held = read_sentences(str(tmp_path / "mood"), valid=0.5, seed=0)  # a half of each class
    assert sorted(held["train"].labels) == sorted(held["valid"].labels) == [0, 1]
    assert set(held["train"].texts) | set(held["valid"].texts) == {"fine film", "dull film", "yes", "no"}
    alone = read_sentences(str(tmp_path / "other.train.txt"), valid=0.0, seed=0)
    assert list(alone) == ["train"]


def test_bad_sentences_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.train.txt").write_text("good fine\nbad\n")
    with pytest.raises(UserError, match=r"a\.train\.txt:2: a label and a sentence are due, got 'bad'"):
        read_sentences(str(tmp_path / "a"), 0.1, 0)
    (tmp_path / "a.train.txt").write_text("good fine\n")
    (tmp_path / "a.test.txt").write_text("great fine\n")
    with pytest.raises(UserError, match="a test sentence has the label 'great', which no training sentence has"):
        read_sentences(str(tmp_path / "a"), 0.1, 0)
    with pytest.raises(UserError, match=r"no training sentences, as b\.train\.txt would have"):
        read_sentences(str(tmp_path / "b"), 0.1, 0)
    (tmp_path / "a.train.txt").write_bytes(b"good \xff\n")
    with pytest.raises(UserError, match=r"a\.train\.txt:1: byte 5 is 0xff"):
        read_sentences(str(tmp_path / "a"), 0.1, 0)


def _archive(path: Path, texts: dict[str, str]) -> None:
    with tarfile.open(path, "w:xz") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))


def test_brown_is_split_by_texts(tmp_path: Path) -> None:
    texts = {f"ca{n:02d}": f"The/at-hl word{n}/nn-tl-hl 1/2/cd ./.\n\n" for n in range(1, 21)} | {"README": "no tags"}
    _archive(tmp_path / "brown.tar.xz", texts)
    found = read_tagged(str(tmp_path))
    assert [len(found[split]) for split in ("train", "valid", "test")] == [16, 2, 2]
    assert found["test"][0] == (["the", "word10", "1/2", "."], ["at", "nn", "cd", "."])
    assert found["valid"][1][0][1] == "word19"
    _archive(tmp_path / "brown.tar.xz", {"ca01": "the/at\nword/\n"})
    with pytest.raises(UserError, match=r"brown\.tar\.xz, ca01:2: a word/tag is due, got 'word/'"):
        read_tagged(str(tmp_path))
    _archive(tmp_path / "brown.tar.xz", {"README": "the/at"})
    with pytest.raises(UserError, match="no texts that are called as Brown's are"):
        read_tagged(str(tmp_path))
    with pytest.raises(UserError, match="name an archive of word/tag texts"):
        read_tagged(str(tmp_path / "none"))


def test_what_is_made_here() -> None:
    texts, labels = opinions(200, seed=3)
    for text, label in zip(texts, labels):
        turned = "not" in text.split() or "never" in text.split()
        likes = any(word in text.split() for word in GOOD)
        assert likes != any(word in text.split() for word in BAD)
        assert label == str(int(likes != turned))
    assert opinions(5, seed=3) == opinions(5, seed=3) != opinions(5, seed=4)
    kinds = {(word, tag) for words, tags in tagged(300, seed=0) for word, tag in zip(words, tags)}
    assert {("can", "md"), ("can", "nn"), ("light", "jj"), ("light", "nn"), ("light", "vb")} <= kinds


def test_word_vectors_of_a_text(tmp_path: Path) -> None:
    file = tmp_path / "v.txt"
    file.write_text("2 3\nking 1 2 3\nqueen -1 0.5 1e-2\n")
    words, matrix = read_word_vectors(file)
    assert words == ["king", "queen"]
    assert matrix.tolist() == [[1.0, 2.0, 3.0], [-1.0, 0.5, np.float32(0.01)]]
    file.write_text("king 1 2 3\n")
    assert read_word_vectors(file)[1].shape == (1, 3)
    for text, message in (
        ("2 2\nking 1 2\nqueen 1\n", "v.txt:3: a word and 2 numbers are due, got 'queen 1'"),
        ("1 2\nking 1 x\n", "v.txt:2: a word and 2 numbers are due"),
        ("1 2\nking 1 nan\n", "v.txt:2: the vector of 'king' has what is no number"),
        ("king\n", "v.txt:1: no vectors of words"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=message):
            read_word_vectors(file)


def test_word_vectors_of_a_folder(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    WordVectors(Vocabulary(["the", "cat", "é"], [5, 3, 1]), rows).save(tmp_path / "run" / "vectors")
    words, matrix = read_word_vectors(tmp_path / "run")
    assert words == ["the", "cat", "é"]
    assert np.array_equal(matrix, rows)
    file = next((tmp_path / "run" / "vectors").glob("arrays_*"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(UserError, match="the vectors are damaged"):
        read_word_vectors(tmp_path / "run")
    with pytest.raises(UserError, match="holds no word vectors"):
        read_word_vectors(tmp_path)
