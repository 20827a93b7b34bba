"""Word vectors to and from other programs; gensim itself is the oracle where it is installed."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.words.formats import is_word2vec, read_word2vec
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError

WORDS = ["the", "naïve", "日本", "don't", "</s>"]


@pytest.fixture
def vectors() -> WordVectors:
    matrix = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    matrix[0, :3] = [1 / 3, -1.23456789e-20, 3e38]
    return WordVectors(Vocabulary(WORDS, [9, 7, 7, 2, 1]), matrix)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["v.txt", "v.vec.gz", "v.bin.xz"])
def test_written_and_read(vectors: WordVectors, binary: bool, name: str, tmp_path: Path) -> None:
    path = vectors.save_word2vec(tmp_path / name, binary=binary)
    path = path.rename(tmp_path / "no-suffix")  # the content tells the format
    assert is_word2vec(path)
    back = WordVectors.read(path)
    assert back.words == WORDS
    assert back.matrix.tobytes() == vectors.matrix.tobytes()
    assert back.vocabulary.counts.tolist() == [5, 4, 3, 2, 1]
    assert back.config is None
    again = WordVectors.read(back.save(tmp_path / "folder"))
    assert again.words == WORDS
    assert again.config is None
    first = path.read_bytes()
    assert vectors.save_word2vec(tmp_path / name, binary=binary).read_bytes() == first  # same vectors, same bytes
    assert [p.name for p in tmp_path.glob("*.tmp")] == []
    if name.endswith(".gz"):
        assert first[4:8] == bytes(4)  # no time in the header of gzip


def test_the_bytes_by_hand(tmp_path: Path) -> None:
    two = WordVectors(Vocabulary(["a", "b"], [2, 1]), np.array([[1, -0.5], [0.1, 2]], dtype=np.float32))
    assert two.save_word2vec(tmp_path / "t").read_bytes() == b"2 2\na 1.0 -0.5\nb 0.1 2.0\n"
    rows = b"a " + struct.pack("<2f", 1, -0.5) + b"\nb " + struct.pack("<2f", 0.1, 2) + b"\n"
    assert two.save_word2vec(tmp_path / "b", binary=True).read_bytes() == b"2 2\n" + rows
    (tmp_path / "g").write_bytes(b"2 2\n" + rows.replace(b"\n", b""))  # as gensim writes it
    assert WordVectors.read(tmp_path / "g").matrix.tolist() == two.matrix.tolist()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_gensim_reads_what_we_write(vectors: WordVectors, binary: bool, suffix: str, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed (extra gensim)")
    path = vectors.save_word2vec(tmp_path / f"v{suffix}", binary=binary)
    theirs = models.KeyedVectors.load_word2vec_format(str(path), binary=binary)
    assert theirs.index_to_key == WORDS
    assert theirs.vectors.tobytes() == vectors.matrix.tobytes()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_we_read_what_gensim_writes(vectors: WordVectors, binary: bool, suffix: str, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed (extra gensim)")
    theirs = models.KeyedVectors(7)
    theirs.add_vectors(WORDS, vectors.matrix)
    path = tmp_path / f"v{suffix}"
    theirs.save_word2vec_format(str(path), binary=binary)
    ours = WordVectors.read(path)
    assert ours.words == WORDS
    assert ours.matrix.tobytes() == vectors.matrix.tobytes()
    counts = models.KeyedVectors.load_word2vec_format(str(path), binary=binary)
    assert ours.vocabulary.counts.tolist() == [counts.get_vecattr(word, "count") for word in WORDS]


def test_fasttext_and_glove(tmp_path: Path) -> None:
    (tmp_path / "f.vec").write_text("2 3\n</s> 0.1 -2 3e-4 \nwör 4 5 6 \n\n")  # fastText ends its lines with a space
    words, matrix = read_word2vec(tmp_path / "f.vec")
    assert words == ["</s>", "wör"]
    assert matrix.tolist() == np.array([[0.1, -2, 3e-4], [4, 5, 6]], dtype=np.float32).tolist()
    (tmp_path / "glove.txt").write_text("the 0.5 1.5\nof 2 -3\r\n")
    words, matrix = read_word2vec(tmp_path / "glove.txt")
    assert (words, matrix.tolist()) == (["the", "of"], [[0.5, 1.5], [2, -3]])


def test_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"w{n}" * (1 + n % 7) for n in range(500)]
    matrix = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    many = WordVectors(Vocabulary(words, range(500, 0, -1)), matrix)
    for block in (1, 7, 16, 100):
        monkeypatch.setattr("graphkit.words.formats.BLOCK", block)
        for binary in (False, True):
            back = WordVectors.read(many.save_word2vec(tmp_path / "v", binary=binary))
            assert back.words == words
            assert back.matrix.tobytes() == matrix.tobytes()


FLOATS = struct.pack("<2f", 1, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1 is neither"),
        (b"once upon a time\n", "line 1 is neither"),
        (b"0 5\n", "line 1 is neither"),
        (b"word 0.5\nof 0.5\n", "line 1 is neither"),
        (b"2 2\na 1 2\nb 1\n", r"line 3 has 1 numbers, not 2, after the word 'b'"),
        (b"2 2\na 1 2 3\nb 1\n", "line 2 has 3 numbers, not 2"),
        (b"2 2\na 1 2\nb 1 x\n", "line 3 has something that is no number"),
        (b"2 2\na 1 1_0\nb 1 2\n", "line 2 has something that is no number"),
        (b"2 2\na 1 2\nb nan 2\n", "line 3: the vector of 'b' has NaN"),
        (b"2 2\na 1 2\nb 1 1e39\n", "line 3: the vector of 'b' has NaN or infinity, or a number too large"),
        (b"2 2\na 1 2\na 1 2\n", "'a' is there twice, at line 2 and line 3"),
        (b"2 2\na 1 2\n\xff\xfe 1 2\n", r"line 3: the word b'\\xff\\xfe' is not UTF-8 \(0xff\)"),
        (b"2 2\na 1 2\n 1 2\n", "line 3 has no word"),
        (b"3 2\na 1 2\nb 1 2\n", "ends after 2 of the 3 words"),
        (b"1 2\na 1 2\nb 1 2\n", "line 3 is one more than the 1 words"),
        (b"99999999999 99999999\na 1\n", "line 1 promises .* more than fits in memory"),
        (b"a 1 2\nb 1\n", "line 2 has 1 numbers, not 2"),
        (b"2 2\na " + FLOATS + b"\nb " + FLOATS[:5], "ends at byte 22, in word 2 of the 2"),
        (b"2 2\na " + FLOATS + b"\nb", "ends at byte 16, in word 2 of the 2"),
        (b"1 2\na " + FLOATS + b"\nb " + FLOATS, "goes on at byte 14, after the 1 words"),
        (b"1 2\na " + struct.pack("<2f", 1, float("inf")), "byte 4: the vector of 'a' has NaN or infinity"),
        (b"2 2\na " + FLOATS + b"a " + FLOATS, "'a' is there twice, at byte 4 and byte 14"),
        (b"1 2\n\xff " + FLOATS, "byte 4: the word"),
        (b"2 2\na " + FLOATS + b"x" * 20_000, "no word begins at byte 14"),
    ],
)
def test_a_bad_file_is_told_by_line_or_byte(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(data)
    with pytest.raises(UserError, match=f"{tmp_path}/v.*{message}"):
        WordVectors.read(tmp_path / "v")


def test_files_that_cannot_be_read_or_written(vectors: WordVectors, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none cannot be read"):
        WordVectors.read(tmp_path / "none")
    compressed: list[Any] = [gzip.compress, lzma.compress]
    for compress in compressed:
        (tmp_path / "v").write_bytes(compress(b"1 2\na 1 2\n" * 50)[:-9])
        with pytest.raises(UserError, match="damaged or cut off"):
            WordVectors.read(tmp_path / "v")
    with pytest.raises(UserError, match="could not be written"):
        vectors.save_word2vec(tmp_path / "no" / "v")
    vectors.save_word2vec(tmp_path / "v")
    before = (tmp_path / "v").read_bytes()
    for bad in ("two words", "", "line\n"):
        vectors.vocabulary.words[3] = bad
        with pytest.raises(UserError, match="is empty or has white space"):
            vectors.save_word2vec(tmp_path / "v", binary=True)
    assert (tmp_path / "v").read_bytes() == before


def test_a_text_is_no_file_of_vectors(tmp_path: Path) -> None:
    for text in ("To be or not to be\n", "1 2 buckle my shoe\n", "\n", "12\n", "May 8 1902\nPelée\n", "1 2\nonce\n"):
        (tmp_path / "t").write_text(text)
        assert not is_word2vec(tmp_path / "t"), text
