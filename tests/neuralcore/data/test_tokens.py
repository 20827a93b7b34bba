"""Texts, and what they are cut into."""

from __future__ import annotations

import gzip
import importlib.util
import lzma
from pathlib import Path

import numpy as np
import pytest

from graphkit.words.corpus import Tokenizer
from neuralcore.data.text import read_lines, read_text
from neuralcore.data.tokens import SPECIAL, UNKNOWN, Tokens, padded
from neuralcore.errors import UserError

TEXT = "the cat saw the dog\nthe dog ran , <unk> !\n"
pairs = pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="the extra tokenizers is missing")


def test_packed_texts_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("é\r\nx\n".encode())
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        file.write("é\nx\n".encode())
    with lzma.open(tmp_path / "a.xz", "wb") as file:
        file.write("é\nx\n".encode())
    assert {read_text(tmp_path / name) for name in ("a.txt", "a.gz", "a.xz")} == {"é\nx\n"}
    assert read_lines(tmp_path / "a.gz") == ["é", "x"]


def test_what_is_no_text_says_where(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"fine\nna\xefve\n")
    (tmp_path / "empty.txt").write_bytes(b" \n")
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"a" * 1000)[:-9])
    (tmp_path / "no.xz").write_bytes(b"plain")
    with pytest.raises(UserError, match=r"latin\.txt:2: byte 7 is 0xef, which is no UTF-8"):
        read_text(tmp_path / "latin.txt")
    with pytest.raises(UserError, match="is empty"):
        read_text(tmp_path / "empty.txt")
    with pytest.raises(UserError, match="could not be read"):
        read_text(tmp_path / "torn.gz")
    with pytest.raises(UserError, match="could not be read"):
        read_text(tmp_path / "no.xz")
    with pytest.raises(UserError, match="is not there"):
        read_text(tmp_path / "missing.txt")
    with pytest.raises(UserError, match="is a folder"):
        read_text(tmp_path)


def test_terms_are_the_words_that_vectors_have() -> None:
    text = "Don't stop, Zoë—42 o’clock!\nNaïve नमस्ते"
    tokens = Tokens.learn([text], "terms")
    assert tokens.decode(tokens.encode(text)) == "don't stop zoë o'clock naïve नमस्ते"
    assert tokens.decode(tokens.encode(text)).split() == [w for line in Tokenizer().tokenized(text) for w in line]
    assert tokens.unknown("Stop the clock") == ["the", "clock"]
    assert Tokens.of(tokens.description()) == tokens


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_texts_come_back(unit: str) -> None:
    tokens = Tokens.learn([TEXT], unit)  # type: ignore[arg-type]
    again = Tokens.of(tokens.description())
    assert again == tokens
    assert tuple(tokens.symbols[:5]) == SPECIAL
    assert again.decode(again.encode(TEXT)) == TEXT
    assert again.unknown(TEXT + "the bird") == {"words": ["bird"], "characters": ["b", "i"]}[unit]


def test_words_are_ranked_and_rare_ones_unknown() -> None:
    tokens = Tokens.learn([TEXT], "words", size=8)
    assert tokens.symbols[5:] == ["the", "\n", "dog"]
    assert tokens.encode("the cat") == [5, UNKNOWN]
    assert tokens.decode(tokens.encode("the cat")) == "the <unk>"
    assert Tokens.learn([TEXT], "words", least=2).symbols[5:] == ["the", "\n", "dog"]


@pairs
def test_byte_pairs_know_everything() -> None:
    tokens = Tokens.learn([TEXT] * 3, "bpe", size=290)
    again = Tokens.of(tokens.description())
    strange = "naïve 猫 \n\t the  cat"
    assert again.decode(again.encode(strange)) == strange
    assert again.encode_all([TEXT, strange]) == [tokens.encode(TEXT), tokens.encode(strange)]
    assert len(tokens.encode("the the the")) < 11
    assert again.unknown(strange) == []
    with pytest.raises(UserError, match="261 or more"):
        Tokens.learn([TEXT], "bpe", size=100)


def test_what_is_no_vocabulary() -> None:
    with pytest.raises(UserError, match="no token"):
        Tokens.learn([" "], "words")
    with pytest.raises(UserError, match="no room"):
        Tokens.learn(["a"], "words", size=5)
    with pytest.raises(UserError, match="names each token once"):
        Tokens("words", ["a", "b"])


def test_padding() -> None:
    np.testing.assert_array_equal(padded([[7, 8], [], [9]]), [[7, 8], [0, 0], [9, 0]])
    with pytest.raises(ValueError, match="a row of 2 tokens does not fit into 1"):
        padded([[7, 8]], 1)
