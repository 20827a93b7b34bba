from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.words import skipgram as skipgram_module
from graphkit.words.config import SkipGramConfig
from graphkit.words.skipgram import SkipGramTrainer
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.checkpoint import CheckpointStore
from neuralcore.errors import UserError

SMALL = SkipGramConfig(dimension=8, window=2, negatives=2, epochs=2, min_count=1, sample=0.0)


def clusters(path: Path, sentences: int = 1500, groups: int = 4, size: int = 6) -> Path:
    """Sentences whose words all come from one of a few groups: g0w3 g0w1 …"""
    rng = np.random.default_rng(0)
    lines = (
        " ".join(f"{'abcdefgh'[group]}{'stuvwx'[word]}" for word in rng.integers(size, size=8))
        for group in rng.integers(groups, size=sentences)
    )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return clusters(tmp_path / "clusters.txt")


# -- training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"threads": 1},
        {"threads": 2},
        {"per_pair": True},
        {"model": "cbow"},
        {"loss": "hierarchical_softmax"},
        {"model": "cbow", "loss": "hierarchical_softmax"},
        {"loss": "margin", "learning_rate": 0.01},
        {"loss": "margin", "model": "cbow", "learning_rate": 0.01},
        {"shortest_ngram": 1, "longest_ngram": 2, "buckets": 100},
        {"shortest_ngram": 1, "longest_ngram": 2, "buckets": 100, "model": "cbow"},
    ],
    ids=str,
)
def test_neighbours_come_from_the_same_cluster(
    text: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 500)
    usual = {"dimension": 16, "epochs": 10, "sample": 0.0, "learning_rate": 0.05}
    vectors = WordVectors.train(text, **{**usual, **settings})
    for word in vectors.words:
        assert {other[0] for other, _ in vectors.neighbours(word, 5)} == {word[0]}, word
    assert vectors.similarity("as", "at") > 0.5 > vectors.similarity("as", "bt")


def test_the_loss_falls(text: Path, tmp_path: Path) -> None:
    WordVectors.train(text, SMALL, epochs=6, learning_rate=0.1, run=tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert losses[0] < 3 * math.log(2)  # where all vectors are zero
    assert losses[-1] < 0.95 * losses[0]
    assert losses[-1] < 1.01 * min(losses)


def test_the_learning_rate_falls_in_a_straight_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 10)
    config = SkipGramConfig(epochs=2, learning_rate=1.0, minimum_learning_rate=0.5)
    trainer = SkipGramTrainer(np.zeros(25, dtype=np.int32), Vocabulary(["a"], [25]), config)
    assert trainer.chunks == 6
    rates = [trainer.learning_rate(chunk) for chunk in range(6)]
    np.testing.assert_allclose(rates, [1.0, 0.9, 0.8, 0.75, 0.65, 0.55])


def test_every_setting_changes_something(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 1000)
    text.write_text("Rare, as at\n" + text.read_text())
    changed = {
        "model": "cbow",
        "loss": "hierarchical_softmax",
        "per_pair": True,
        "phrases": (0.5,),
        "shortest_ngram": 2,
        "longest_ngram": 4,
        "buckets": 50,
        "dimension": 9,
        "window": 3,
        "negatives": 3,
        "epochs": 3,
        "learning_rate": 0.03,
        "minimum_learning_rate": 0.01,
        "sample": 0.001,
        "min_count": 2,
        "tokenizer": "whitespace",
        "lowercase": False,
        "seed": 1,
    }
    # Tested by what they do: below, in test_skipgram_gpu.py and in test_glove.py.
    separately = {"threads", "checkpoint_every", "device", "x_max"}
    assert changed.keys() | separately == {f.name for f in dataclasses.fields(SkipGramConfig)}

    def result(**settings: Any) -> tuple[bytes, tuple[str, ...]]:
        vectors = WordVectors.train(text, SMALL, **settings)
        return vectors.matrix.tobytes(), tuple(vectors.words)

    plain = result()
    assert result() == plain
    for name, value in changed.items():
        also = {"negatives": 5} if name == "loss" else {}  # where a number of negatives would change nothing
        of_ngrams = {"longest_ngram": 3} if name in ("shortest_ngram", "buckets") else {}
        before = result(**of_ngrams) if of_ngrams else plain
        assert result(**{name: value}, **also, **of_ngrams) != before, name


def test_threads_are_used(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(skipgram_module, "CHUNK", 500)
    seen, both = set(), threading.Barrier(2, timeout=20)
    train_chunk = SkipGramTrainer.train_chunk

    def spy(self: SkipGramTrainer, chunk: int) -> Any:
        if chunk < 2:
            both.wait()  # passes only if two chunks are in work at once
        seen.add(threading.current_thread().name)
        return train_chunk(self, chunk)

    monkeypatch.setattr(SkipGramTrainer, "train_chunk", spy)
    WordVectors.train(text, SMALL, threads=2)
    assert len(seen) == 2


class Killed(Exception):
    pass


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("checkpoints", [1, 3])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    checkpoints: int, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 700)
    config = dataclasses.replace(SMALL, checkpoint_every=5_000)
    WordVectors.train(text, config, run=tmp_path / "whole")
    save, count = CheckpointStore.save, 0

    def save_and_die(self: CheckpointStore, *args: Any) -> Path:
        nonlocal count
        count += 1
        path = save(self, *args)
        if count == checkpoints:
            raise Killed
        return path

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "save", save_and_die)
        with pytest.raises(Killed):
            WordVectors.train(text, config, run=tmp_path / "cut")
    assert not (tmp_path / "cut" / "vectors").exists()
    resumed = WordVectors.train(text, config, run=tmp_path / "cut")
    assert resumed.training is not None
    assert 0 < resumed.training.words < 24_000
    for part in ("vectors", "checkpoints"):
        assert folder_bytes(tmp_path / "cut" / part) == folder_bytes(tmp_path / "whole" / part)
    assert (tmp_path / "cut" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()
    assert len(list((tmp_path / "cut" / "checkpoints").glob("step_*"))) == 2

    again = WordVectors.train(text, config, run=tmp_path / "cut")
    assert again.training is not None
    assert again.training.words == 0
    assert again.matrix.tobytes() == resumed.matrix.tobytes()


def test_a_run_is_refused_on_another_text_or_other_settings(text: Path, tmp_path: Path) -> None:
    WordVectors.train(text, SMALL, run=tmp_path / "run")
    before = folder_bytes(tmp_path / "run" / "vectors")
    with pytest.raises(UserError, match=r"config\.dimension = 8, not 9"):
        WordVectors.train(text, SMALL, dimension=9, run=tmp_path / "run")
    text.write_text(text.read_text().replace("as at", "at as", 1))
    with pytest.raises(UserError, match="trained on another text"):
        WordVectors.train(text, SMALL, run=tmp_path / "run")
    assert folder_bytes(tmp_path / "run" / "vectors") == before


def test_the_text_is_read_once_for_all_runs_beside_each_other(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = WordVectors.train(text, SMALL)
    first = WordVectors.train(text, SMALL, run=tmp_path / "runs" / "first")
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {"first", ".corpora"}

    def never(*_: Any) -> None:
        raise AssertionError("the text is read again")

    monkeypatch.setattr("graphkit.words.corpus_folder.Scan", never)
    second = WordVectors.train(text, SMALL, run=tmp_path / "runs" / "second")
    elsewhere = WordVectors.train(text, SMALL, run=tmp_path / "third", corpora=tmp_path / "runs" / ".corpora")
    for vectors in (first, second, elsewhere):
        assert vectors.matrix.tobytes() == in_memory.matrix.tobytes()
    with pytest.raises(UserError, match=r"lies in .*, whose files are the text"):
        WordVectors.train(tmp_path, SMALL, run=tmp_path / "runs" / "fourth")


def test_mistakes_leave_the_disk_as_it_was(text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"fine\n\xff\n")
    for corpus, settings, message in [
        (tmp_path / "none.txt", {}, "no file"),
        (bad, {}, "byte 5 "),
        (text, {"min_count": 10**6}, "leaves no word"),
        (text, {"windw": 3}, "unknown setting 'windw': did you mean 'window'"),
        (text, {"window": 0}, "window must be 1 or more, got 0"),
        (text, {"minimum_learning_rate": 0.1}, "between 0 and learning_rate = 0.025, got 0.1"),
        (text, {"sample": 1.5}, "between 0 and 1, got 1.5"),
        (text, {"learning_rate": 0.0}, "above 0"),
        (text, {"seed": -1}, "got -1"),
    ]:
        with pytest.raises(UserError, match=message):
            WordVectors.train(corpus, run=run, **settings)
    assert not run.exists()


def test_a_loss_without_bounds_is_told(text: Path) -> None:
    with pytest.raises(UserError, match=r"the loss became (nan|inf).*lower learning_rate = 1e\+30"):
        WordVectors.train(text, SMALL, learning_rate=1e30)


# -- asking and keeping ---------------------------------------------------------------------------------------------


@pytest.fixture
def plane() -> WordVectors:
    """Vectors in the plane; king - man + woman points at queen."""
    words = {"man": (2, 0), "woman": (0, 3), "king": (2, 1), "queen": (1, 2), "zero": (0, 0), "être": (-1, -1)}
    matrix = np.array(list(words.values()), dtype=np.float32)
    return WordVectors(Vocabulary(list(words), range(9, 3, -1)), matrix, SMALL)


def test_questions_by_hand(plane: WordVectors) -> None:
    assert plane.similarity("man", "woman") == 0.0
    assert plane.similarity("king", "queen") == pytest.approx(0.8)
    assert plane.similarity("zero", "king") == 0.0
    names, cosines = zip(*plane.neighbours("king", 3))
    assert names == ("man", "queen", "woman")
    np.testing.assert_allclose(cosines, [2 / 5**0.5, 0.8, 1 / 5**0.5], rtol=1e-6)
    assert len(plane.neighbours("king", 100)) == 5
    assert plane.analogy("man", "king", "woman", 1)[0][0] == "queen"
    assert {"man", "king", "woman"}.isdisjoint(word for word, _ in plane.analogy("man", "king", "woman"))
    assert plane["être"].tolist() == [-1, -1]
    assert "être" in plane
    assert "pas" not in plane
    with pytest.raises(UserError, match="did you mean 'king'"):
        plane.neighbours("kng")
    with pytest.raises(UserError, match="k = 0"):
        plane.neighbours("king", 0)


def test_many_at_once_is_one_by_one(plane: WordVectors, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    matrix = np.round(rng.normal(size=(60, 3)) * 2).astype(np.float32)  # coarse, so that cosines are equal
    many = WordVectors(Vocabulary([f"w{n}" for n in range(60)], range(60, 0, -1)), matrix)
    cosines = many.unit.astype(np.float64) @ many.unit.T.astype(np.float64)
    for scores in (1, 130, 1 << 20):
        monkeypatch.setattr("graphkit.words.nearest.SCORES", scores)
        found = many.neighbours_of(many.words, 7)
        assert list(found) == many.words
        for row, word in enumerate(many.words):
            numbers = [int(other[1:]) for other, _ in found[word]]
            expected = np.delete(np.arange(60), row)[
                np.argsort(-np.delete(cosines[row].round(6), row), kind="stable")
            ]
            np.testing.assert_allclose(cosines[row, numbers], cosines[row, expected[:7]], atol=1e-6)
            assert row not in numbers
    assert plane.neighbours_of(["king", "zero"], 1) == {
        "king": plane.neighbours("king", 1),
        "zero": [("man", 0.0)],
    }
    assert len(plane.neighbours("man", 100)) == 5


def test_sums_of_words_and_the_odd_one_out(plane: WordVectors) -> None:
    assert plane.most_similar(["king", "woman"], ["man"], 3) == plane.analogy("man", "king", "woman", 3)
    word, cosine = plane.most_similar(["man", "woman"], k=1)[0]  # between (1, 0) and (0, 1)
    assert (word, round(cosine, 6)) == ("king", round(3 / 10**0.5, 6))
    assert plane.most_similar(["man"], ["woman"])[0][0] == "king"
    assert plane.odd_one_out(["man", "king", "être", "queen"]) == "être"
    for call, message in [
        (lambda: plane.most_similar([]), "name at least one word"),
        (lambda: plane.odd_one_out(["man", "king"]), "name at least 3"),
        (lambda: plane.odd_one_out(["man", "kng", "queen"]), "did you mean 'king'"),
    ]:
        with pytest.raises(UserError, match=message):
            call()


def test_gensim_answers_alike() -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed (extra gensim)")
    words = [f"w{n}" for n in range(200)]
    matrix = np.random.default_rng(2).normal(size=(200, 10)).astype(np.float32)
    ours, theirs = WordVectors(Vocabulary(words, range(200, 0, -1)), matrix), models.KeyedVectors(10)
    theirs.add_vectors(words, matrix)
    for a, b in [
        (ours.neighbours("w3", 20), theirs.most_similar("w3", topn=20)),
        (ours.most_similar(["w1", "w2"], ["w7", "w9"]), theirs.most_similar(["w1", "w2"], ["w7", "w9"])),
    ]:
        assert [word for word, _ in a] == [word for word, _ in b]
        np.testing.assert_allclose([c for _, c in a], [c for _, c in b], atol=1e-6)
    for begin in range(0, 200, 5):
        assert ours.odd_one_out(words[begin : begin + 5]) == theirs.doesnt_match(words[begin : begin + 5])


def test_saved_and_loaded(plane: WordVectors, tmp_path: Path) -> None:
    plane.save(tmp_path / "vectors")
    for folder in (tmp_path / "vectors", tmp_path):  # a run folder is as good
        loaded = WordVectors.load(folder)
        assert loaded.words == plane.words
        assert loaded.vocabulary.counts.tolist() == plane.vocabulary.counts.tolist()
        assert loaded.matrix.tobytes() == plane.matrix.tobytes()
        assert loaded.config == SMALL
    plane.save(tmp_path / "again")
    assert folder_bytes(tmp_path / "again") == folder_bytes(tmp_path / "vectors")


def test_a_damaged_folder_is_refused(plane: WordVectors, tmp_path: Path) -> None:
    plane.save(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        data = path.read_bytes()
        flipped = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
        path.write_bytes(data[:-9] if path.name == "manifest.json" else flipped)
        with pytest.raises(UserError, match="damaged"):
            WordVectors.load(tmp_path)
        path.write_bytes(data)
    with pytest.raises(UserError, match="holds no vectors"):
        WordVectors.load(tmp_path / "nowhere")


def test_word2vec_text_format(plane: WordVectors, tmp_path: Path) -> None:
    plane.matrix[0] = [1 / 3, -1.23456789e-20]
    plane.save_word2vec(tmp_path / "v.txt")
    first, *lines = (tmp_path / "v.txt").read_text(encoding="utf-8").splitlines()
    assert first == "6 2"
    assert [line.split(" ")[0] for line in lines] == plane.words
    numbers = np.array([line.split(" ")[1:] for line in lines], dtype=np.float32)
    assert numbers.tobytes() == plane.matrix.tobytes()
    plane.vocabulary.words[1] = "two words"
    with pytest.raises(UserError, match="'two words' is empty or has white space"):
        plane.save_word2vec(tmp_path / "w.txt")
    assert not (tmp_path / "w.txt").exists()
