from __future__ import annotations

import lzma
import os
import re
import subprocess
import sys
import tempfile
import time
import unicodedata
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from graphkit import samples, text_files
from graphkit.words import corpus as corpus_module
from graphkit.words import corpus_folder
from graphkit.words import stream as word_stream
from graphkit.words.corpus import Corpus
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError


def plain_sentences(texts: list[str], tokenizer: str, lowercase: bool, length: int) -> list[list[str]]:
    """An independent oracle: whole lines in memory, by the rules as they are written down."""
    sentences = []
    for text in texts:
        for line in text.removeprefix("\ufeff").split("\n"):
            line = line.lower() if lowercase else line
            words = line.split()
            if tokenizer == "words":
                words = plain_words(line.replace("’", "'"))
            sentences += [words[i : i + length] for i in range(0, len(words), length)]
    return sentences


def plain_words(line: str) -> list[str]:
    """Letters and their marks, character by character; apostrophes between two such runs join them."""

    def kind(c: str) -> str:
        if c == "'":
            return c
        if c.isalnum() and re.match(r"[^\W\d_]", c):
            return "letter"
        mark = c in "\u200c\u200d" or (unicodedata.category(c)[0] == "M" and 0x300 <= ord(c) < 0x10000)
        return "mark" if mark else "other"

    words, word = [], ""
    for i, c in enumerate(line):
        joins = c == "'" and i + 1 < len(line) and kind(line[i + 1]) == "letter"
        if kind(c) == "letter" or (word and (kind(c) == "mark" or joins)):
            word += c
        else:
            words += [word] * bool(word)
            word = ""
    return words + [word] * bool(word)


def decoded(stream: word_stream.WordStream) -> list[list[str]]:
    ids = stream.ids.tolist()
    assert not ids or ids[-1] == -1
    return [[stream.vocabulary.words[i] for i in group] for end, group in groupby(ids, lambda i: i == -1) if not end]


ODD = (
    "a b A\nΣσ ß'’\u0301é—_7\t\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u2028\u3000\u200b\u200d\ufeff\u0130\x01\x7fकि日𝐀𐍈🙂"
)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.sampled_from(ODD) | st.characters(exclude_characters="\0", codec="utf-8")), max_size=3),
    tokenizer=st.sampled_from(["words", "whitespace"]),
    lowercase=st.booleans(),
    min_count=st.integers(1, 3),
    block=st.integers(1, 30),
    threads=st.sampled_from([1, 2]),
)
@example(
    texts=["\ufeff\ufeffΑΣ ΑΣ\u2028ΑΣ'Α\r\nα", "x"],
    tokenizer="whitespace",
    lowercase=True,
    min_count=1,
    block=1,
    threads=2,
)
@example(texts=["ΑΣ’Α ΑΣ '\u0301ΑΣ\u0301"], tokenizer="words", lowercase=True, min_count=1, block=30, threads=1)
def test_equals_the_plain_way(
    texts: list[str],
    tokenizer: str,
    lowercase: bool,
    min_count: int,
    block: int,
    threads: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [*texts, "one last Line\nand one without an end"]
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    for n, text in enumerate(texts):
        (folder / f"{n}").write_bytes(text.encode())
    for module in (corpus_module, corpus_folder, word_stream):
        monkeypatch.setattr(module, "SENTENCE_LENGTH", 4)
    monkeypatch.setattr(text_files, "BLOCK", block)
    corpus = Corpus(folder, tokenizer=tokenizer, lowercase=lowercase)
    expected = plain_sentences(texts, tokenizer, lowercase, 4)
    assert list(corpus.sentences()) == expected
    try:
        vocabulary = Vocabulary.count(expected, min_count)
    except UserError as error:
        with pytest.raises(UserError, match=re.escape(str(error))):
            corpus.read(min_count, threads=threads)
        return
    stream = corpus.read(min_count, threads=threads)
    assert stream.vocabulary.words == vocabulary.words
    np.testing.assert_array_equal(stream.vocabulary.counts, vocabulary.counts)
    kept = [[word for word in sentence if word in vocabulary] for sentence in expected]
    assert decoded(stream) == [sentence for sentence in kept if sentence]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_sample_in_memory_and_in_a_folder(threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "BLOCK", 1 << 15)
    corpus = Corpus(samples.path("tinyshakespeare"))
    vocabulary = Vocabulary.count(corpus.sentences(), 5)
    memory = corpus.read(5, threads=threads)
    kept = corpus.read(5, folder=tmp_path, threads=threads)
    assert isinstance(kept.ids, np.memmap)
    assert (memory.ids.dtype, kept.ids.dtype) == (np.int32, np.int32)
    for stream in (memory, kept):
        assert stream.vocabulary.words == vocabulary.words
        assert stream.vocabulary.counts.tolist() == vocabulary.counts.tolist()
        assert np.bincount(stream.ids[stream.ids >= 0]).tolist() == vocabulary.counts.tolist()
    np.testing.assert_array_equal(memory.ids, kept.ids)
    np.testing.assert_array_equal(corpus.ids(vocabulary, threads=threads), kept.ids)


def test_the_ids_of_another_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("b a rare b\nrare\na b\n")
    corpus = Corpus(tmp_path / "t.txt")
    assert corpus.ids(Vocabulary(["new", "b", "a"], [5, 3, 2])).tolist() == [1, 2, 1, -1, 2, 1, -1]
    with pytest.raises(UserError, match=r"none of the 1 words of the vocabulary is in .*t\.txt"):
        corpus.ids(Vocabulary(["new"], [1]))


# -- what is kept ---------------------------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("the king loves the queen\nThe queen loves the king\n" * 50)
    return path


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def times_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each pass over a text."""
    scans: list[int] = []

    class Counted(word_stream.Scan):
        def __init__(self, *args: Any) -> None:
            scans.append(1)
            super().__init__(*args)

    monkeypatch.setattr(corpus_folder, "Scan", Counted)
    return scans


def test_the_same_text_is_read_once(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans, folder = times_read(monkeypatch), tmp_path / "kept"
    first = Corpus(text).read(5, folder=folder)
    assert entries(next(folder.iterdir())) == ["ids.npy", "manifest.json", "words.json"]
    text.rename(tmp_path / "other name.txt")
    text = tmp_path / "other name.txt"
    again = Corpus(text).read(5, folder=folder, threads=2)
    assert len(scans) == 1
    assert again.vocabulary.words == first.vocabulary.words == ["the", "king", "loves", "queen"]
    assert again.ids.tobytes() == first.ids.tobytes()

    assert len(Corpus(text, lowercase=False).read(5, folder=folder).vocabulary) == 5
    assert len(Corpus(text, tokenizer="whitespace").read(5, folder=folder).vocabulary) == 4
    assert len(Corpus(text).read(101, folder=folder).vocabulary) == 1
    assert len(Corpus([text, text]).read(5, folder=folder).ids) == 2 * len(first.ids)
    assert len(scans) == 5
    changed = text.read_text().replace("loves", "hates", 1)  # as many bytes as before
    text.write_text(changed)
    assert int(Corpus(text).read(1, folder=folder).vocabulary.counts[-1]) == 1
    assert len(scans) == 6


@pytest.mark.parametrize("name", ["ids.npy", "words.json", "manifest.json"])
def test_damage_is_seen_and_mended(
    name: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scans, folder = times_read(monkeypatch), tmp_path / "kept"
    first = Corpus(text).read(5, folder=folder).ids.tobytes()
    (entry,) = folder.iterdir()
    data = bytearray((entry / name).read_bytes())
    data[len(data) // 2] ^= 1
    (entry / name).write_bytes(data)
    assert Corpus(text).read(5, folder=folder).ids.tobytes() == first
    assert re.search(
        r"kept/\w{16} is damaged \(.*not as it was written\): reading the text again", capsys.readouterr().err
    )
    assert list(folder.iterdir()) == [entry]
    assert Corpus(text).read(5, folder=folder).ids.tobytes() == first
    assert len(scans) == 2


def test_nothing_is_left_of_a_failure(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with pytest.raises(UserError, match="leaves no word"):
        Corpus(text).read(1000, folder=folder)
    assert entries(tmp_path) == ["text.txt"]
    (tmp_path / "a").write_text("a file")
    with pytest.raises(UserError, match=r"a/b could not be written \(Not a directory\)"):
        Corpus(text).read(1, folder=folder)


def test_no_place_for_what_is_set_aside(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"none has no room for a temporary file \(No such file.*set TMPDIR"):
        Corpus(text).read(1)


def test_what_a_killed_process_left_is_removed(text: Path, tmp_path: Path) -> None:
    """Half an entry without its lock, as `kill -9` leaves it; one whose process lives stays."""
    folder = tmp_path / "kept"
    for name in ("new_dead", "new_alive"):
        (folder / name).mkdir(parents=True)
        (folder / name / "ids.npy").write_bytes(b"half")
    with corpus_folder._locked(folder / "new_alive", corpus_folder.fcntl.LOCK_EX):
        Corpus(text).read(5, folder=folder)
        names = entries(folder)
        assert "new_alive" in names
        assert "new_dead" not in names
        assert len(names) == 2


def test_progress_is_shown_when_it_takes_long(
    text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Corpus(text).read(5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(word_stream, "QUIET", -1.0)
    Corpus(text).read(5)
    size = text.stat().st_size
    assert f'"run": "reading", "bytes": {size}, "of": {size}' in capsys.readouterr().err


@pytest.mark.faults
def test_kill_9_while_a_text_is_read(tmp_path: Path) -> None:
    path, folder = tmp_path / "text.txt", tmp_path / "kept"
    with lzma.open(samples.path("tinyshakespeare")) as file:
        path.write_bytes(file.read() * 40)
    code = "import sys; from graphkit.words.corpus import Corpus; Corpus(sys.argv[1]).read(5, folder=sys.argv[2])"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    killed = 0
    for wait in (0.0, 0.1, 0.3):
        process = subprocess.Popen([sys.executable, "-c", code, str(path), str(folder)], env=environment)
        while process.poll() is None and not list(folder.glob("new_*")):
            time.sleep(0.005)
        time.sleep(wait)
        if process.poll() is None:
            process.kill()
            killed += 1
        process.wait()
    assert killed >= 1
    stream = Corpus(path).read(5, folder=folder)
    assert [name[:4] == "new_" for name in entries(folder)] == [False]
    np.testing.assert_array_equal(stream.ids, Corpus(path).read(5).ids)
