from __future__ import annotations

import gzip
import lzma
import re
from pathlib import Path

import numpy as np
import pytest

from graphkit import corpus, samples
from graphkit.corpus import Corpus
from graphkit.vocabulary import Vocabulary
from neuralcore.errors import UserError


def write(folder: Path, data: str | bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, Zoë—42 o’clock!", ["don't", "stop", "zoë", "o'clock"]),
        ("'tis the dogs' x_y 2nd rock'n'roll ''", ["tis", "the", "dogs", "x", "y", "nd", "rock'n'roll"]),
        ("ΟΔΟΣ Straße МИР", ["οδος", "straße", "мир"]),
        ("Cafe\u0301 re\u0301sume\u0301", ["cafe\u0301", "re\u0301sume\u0301"]),  # accents as separate marks
        ("हिन्दी भाषा।", ["हिन्दी", "भाषा"]),  # vowel signs and virama are marks, the danda is punctuation
        ("می\u200cخواهم", ["می\u200cخواهم"]),  # a joiner inside a Persian word
        ("日本語 テキスト", ["日本語", "テキスト"]),
        ("\u0301 ' 7 _ \u200d", []),
    ],
)
def test_words(text: str, words: list[str], tmp_path: Path) -> None:
    assert list(Corpus(write(tmp_path, text + "\nend")).sentences()) == [words, ["end"]][not words :]


def test_without_marks_a_word_is_letters_and_inner_apostrophes() -> None:
    text = "".join(np.random.default_rng(0).choice(list("aàß'Жz _7\n-न"), 20_000))
    assert corpus._word().findall(text) == re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text)


def test_case_and_whitespace(tmp_path: Path) -> None:
    path = write(tmp_path, "The  cat_42,\tTHE end\n")
    assert list(Corpus(path).sentences()) == [["the", "cat", "the", "end"]]
    assert list(Corpus(path, lowercase=False).sentences()) == [["The", "cat", "THE", "end"]]
    assert list(Corpus(path, tokenizer="whitespace").sentences()) == [["the", "cat_42,", "the", "end"]]


def test_a_line_is_a_sentence_and_long_ones_are_cut(tmp_path: Path) -> None:
    path = write(tmp_path, "a b\r\n\n\n7\nc\n" + "d " * 2500 + "\ne")
    assert [len(s) for s in Corpus(path).sentences()] == [2, 1, 1000, 1000, 500, 1]


@pytest.mark.parametrize("block", [1, 5, 64])
def test_where_blocks_end_does_not_matter(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Zoë’s Straße 日本語 été\nपहला वाक्य " * 9 + "a " * 1003 + "\n\nlast"
    path = write(tmp_path, text)
    whole = list(Corpus(path).sentences())
    monkeypatch.setattr(corpus, "BLOCK", block)
    assert list(Corpus(path).sentences()) == whole
    assert whole[-1] == ["last"]


def test_compressed_and_several_files_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "one two\nthree\n"
    paths = [
        write(tmp_path, b"\xef\xbb\xbf" + text.encode()),
        write(tmp_path, gzip.compress(text.encode()), "t.gz"),
        write(tmp_path, lzma.compress(text.encode()), "t.xz"),
    ]
    assert list(Corpus(paths, tokenizer="whitespace").sentences()) == [["one", "two"], ["three"]] * 3


def test_ids_in_memory_and_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "b a rare b\nrare\na b\n" * 500)
    text = Corpus(path)
    vocabulary = Vocabulary(["b", "a"], [1500, 1000])  # leaves "rare" out, and with it whole sentences
    ids = text.ids(vocabulary)
    assert ids.dtype == np.int32
    assert ids.tolist() == [0, 1, 0, -1, 1, 0, -1] * 500
    mapped = text.ids(vocabulary, tmp_path / "ids.npy")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, ids)
    np.testing.assert_array_equal(np.load(tmp_path / "ids.npy", allow_pickle=False), ids)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "t.txt", r"t\.txt is empty \(0 bytes\)"),
        (gzip.compress(b""), "t.gz", r"t\.gz is empty"),
        (b"1 2\n3 !\n", "t.txt", "holds no words"),
        (b"good line\nna\xefve\n", "t.txt", r"t\.txt: byte 12 \(0xef\) is not UTF-8.*iconv"),
        (b"cut off \xe2\x82", "t.txt", "byte 8 "),
        (b"ok\nnot\0text\n", "t.txt", "byte 6 is NUL"),
        ("wide".encode("utf-16"), "t.txt", "byte 0 .*is not UTF-8|NUL"),
        (gzip.compress(b"hello world " * 1000)[:-20], "t.gz", r"t\.gz is damaged or cut off after byte \d+"),
        (lzma.compress(b"hello world " * 1000)[:-20], "t.xz", r"t\.xz is damaged or cut off"),
        (b"no gzip at all", "t.gz", r"t\.gz is damaged"),
        (b"no xz at all", "t.xz", r"t\.xz is damaged"),
    ],
)
def test_what_is_wrong_with_a_file(data: bytes, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        list(Corpus(write(tmp_path, data, name)).sentences())


def test_the_byte_is_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "BLOCK", 10)
    path = write(tmp_path, b"word " * 20 + b"\xff")
    with pytest.raises(UserError, match=r"byte 100 \(0xff\)"):
        list(Corpus(path).sentences())
    monkeypatch.setattr(corpus, "LONGEST_WORD", 50)
    with pytest.raises(UserError, match="no space or line end in 50 bytes from byte 5"):
        list(Corpus(write(tmp_path, b"word " + b"x" * 99)).sentences())


def test_files_that_are_not_there(tmp_path: Path) -> None:
    write(tmp_path, "x", "corpus.txt")
    with pytest.raises(UserError, match=r"no file .*corpse\.txt: did you mean 'corpus\.txt'"):
        Corpus(tmp_path / "corpse.txt")
    with pytest.raises(UserError, match="is a folder"):
        Corpus(tmp_path)
    with pytest.raises(UserError, match="at least one"):
        Corpus([])


def test_a_text_that_changes_between_the_passes(tmp_path: Path) -> None:
    path = write(tmp_path, "a b c\n")
    text = Corpus(path)
    vocabulary = Vocabulary.count(text.sentences())
    path.write_text("a b c a\n")
    with pytest.raises(UserError, match=r"changed while it was read \(3 words, then 4\)"):
        text.ids(vocabulary)


def test_the_sample() -> None:
    sentences = list(Corpus(samples.path("tinyshakespeare")).sentences())
    assert sentences[:2] == [
        ["first", "citizen"],
        ["before", "we", "proceed", "any", "further", "hear", "me", "speak"],
    ]
    assert 200_000 < sum(map(len, sentences)) < 210_000
    assert samples.resolve("sample:tinyshakespeare") == samples.path("tinyshakespeare")
    with pytest.raises(UserError, match="did you mean 'tinyshakespeare'"):
        samples.path("tinyshakespear")
