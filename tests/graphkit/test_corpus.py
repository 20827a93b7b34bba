from __future__ import annotations

import gzip
import lzma
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from graphkit import samples, text_files
from graphkit.words import corpus
from graphkit.words.corpus import Corpus
from graphkit.words.vocabulary import Vocabulary
from neuralcore.data.words import word_pattern
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import


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
    assert word_pattern().findall(text) == re.findall(r"\n|[^\W\d_]+(?:'[^\W\d_]+)*", text)


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
    monkeypatch.setattr(text_files, "BLOCK", block)
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
    path = write(tmp_path, data, name)
    with pytest.raises(UserError, match=message):
        list(Corpus(path).sentences())
    for threads in (1, 3):
        with pytest.raises(UserError, match=message):
            Corpus(path).read(1, threads=threads)


def test_the_byte_is_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "BLOCK", 10)
    path = write(tmp_path, b"word " * 20 + b"\xff")
    with pytest.raises(UserError, match=r"byte 100 \(0xff\)"):
        list(Corpus(path).sentences())
    with pytest.raises(UserError, match=r"byte 100 \(0xff\)"):
        Corpus(path).read(1)
    monkeypatch.setattr(text_files, "LONGEST_WORD", 50)
    with pytest.raises(UserError, match="no space or line end in 50 bytes from byte 5"):
        list(Corpus(write(tmp_path, b"word " + b"x" * 99)).sentences())


def test_files_that_are_not_there(tmp_path: Path) -> None:
    write(tmp_path, "x", "corpus.txt")
    with pytest.raises(UserError, match=r"no file .*corpse\.txt: did you mean 'corpus\.txt'"):
        Corpus(tmp_path / "corpse.txt")
    with pytest.raises(UserError, match=r"no tokenizer 'word': did you mean 'words'"):
        Corpus(tmp_path / "corpus.txt", tokenizer="word")
    with pytest.raises(UserError, match=r"no tokenizer file bpe\.json"):
        Corpus(tmp_path / "corpus.txt", tokenizer="bpe.json")
    with pytest.raises(UserError, match="at least one"):
        Corpus([])


def test_a_folder_gives_its_text_files_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b/2.txt", "b/1.txt.gz", "a.txt", "c/deep/3", ".git/config", ".hidden", "none", "picture.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name[0] + " word\n")
    write(tmp_path, gzip.compress(b"packed\n"), "b/1.txt.gz")
    write(tmp_path, b"\x89PNG\0\0", "picture.png")
    write(tmp_path, b"", "none")
    write(tmp_path, b"7\n", "numbers")  # no words: an error for a file that is named, not for one that is found
    text = Corpus(tmp_path)
    assert [str(p.relative_to(tmp_path)) for p in text.paths] == [
        "a.txt",
        "b/1.txt.gz",
        "b/2.txt",
        "c/deep/3",
        "numbers",
    ]
    told = capsys.readouterr().err
    assert "left out 2 hidden (.git, …), 1 empty (none, …), 1 binary (picture.png, …)" in told
    sentences = [["a", "word"], ["packed"], ["b", "word"], ["c", "word"]]
    assert list(text.sentences()) == sentences
    assert text.read(1).vocabulary.words == Vocabulary.count(sentences).words
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty is a folder without a text file$"):
        Corpus(tmp_path / "empty")
    assert capsys.readouterr().err == ""


def test_zst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the extra zst is not installed")
    text = "".join(f"word{n} " for n in range(20_000)).encode()
    frames = zstandard.compress(text) + zstandard.compress(b"\nend\n")
    path = write(tmp_path, frames, "t.zst")
    sentences = list(Corpus(path, tokenizer="whitespace").sentences())
    assert [len(s) for s in sentences] == [1000] * 20 + [1]
    for data in (frames[:-3], frames[:100], b"no zst at all"):
        with pytest.raises(UserError, match=r"t\.zst is damaged or cut off after byte \d+"):
            Corpus(write(tmp_path, data, "t.zst")).read(1)
    with pytest.raises(UserError, match="is empty"):
        Corpus(write(tmp_path, b"", "t.zst")).read(1)


def test_a_missing_extra_says_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zstandard", "tokenizers"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(text_files, "zstandard", lazy_import("zstandard", extra="zst"))
    monkeypatch.setattr(corpus, "tokenizers", lazy_import("tokenizers", extra="tokenizers"))
    with pytest.raises(UserError, match=r"pip install 'rlgraphkit\[zst\]'"):
        Corpus(write(tmp_path, b"some bytes", "t.zst")).read(1)
    rules = write(tmp_path, "{}", "rules.json")
    with pytest.raises(UserError, match=r"pip install 'rlgraphkit\[tokenizers\]'"):
        Corpus(write(tmp_path, "a b\n"), tokenizer=rules).read(1)


def test_a_tokenizers_file(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the extra tokenizers is not installed")
    model = tokenizers.models.WordLevel({"[UNK]": 0, "[CLS]": 1, "the": 2, "cat": 3, "!": 7}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("[CLS] $A", special_tokens=[("[CLS]", 1)])
    tokenizer.enable_truncation(2)  # which files often have, and which would lose most of a line here
    rules = tmp_path / "rules.json"
    tokenizer.save(str(rules))
    text = Corpus(write(tmp_path, "The cat! the dog\n\ncat\n" + "the " * 1100), tokenizer=rules)
    sentences = [["the", "cat", "!", "the", "[UNK]"], ["cat"], ["the"] * 1000, ["the"] * 100]
    assert list(text.sentences()) == sentences
    assert next(Corpus(text.paths, tokenizer=rules, lowercase=False).sentences())[0] == "[UNK]"
    vocabulary, ids = text.read(2)
    assert (vocabulary.words, vocabulary.counts.tolist()) == (["the", "cat"], [1102, 2])
    assert ids.tolist() == [0, 1, 0, -1, 1, -1] + [0] * 1000 + [-1] + [0] * 100 + [-1]
    rules.write_text("{}")
    with pytest.raises(UserError, match=r"rules\.json is not a file of the package tokenizers"):
        Corpus(text.paths, tokenizer=rules).read(1)


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
