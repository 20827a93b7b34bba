"""Training on: words keep their places, new ones join, and the settings must fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import WordVectors
from graphkit.cli import main
from graphkit.words.config import SkipGramConfig
from graphkit.words.vocabulary import Vocabulary
from graphkit.words.warm_start import WarmStart, occurrences
from neuralcore.errors import UserError

SETTINGS: dict[str, Any] = {"dimension": 16, "epochs": 5, "sample": 0.0, "learning_rate": 0.05}


def write(path: Path, clusters: dict[str, str], sentences: int) -> Path:
    """Sentences of words from one cluster each, named by a letter, with the letters of its words."""
    rng = np.random.default_rng(0)
    first = rng.choice(list(clusters), sentences)
    path.write_text("\n".join(" ".join(f + rng.choice(list(clusters[f])) for _ in range(8)) for f in first))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A finished run on clusters a and b, and a text on clusters a and c with a new word in a."""
    old = write(tmp_path / "old.txt", {"a": "rstuvw", "b": "rstuvw"}, 500)
    WordVectors.train(old, run=tmp_path / "old", **SETTINGS)
    return tmp_path / "old", write(tmp_path / "new.txt", {"a": "rstz", "c": "rstuvw"}, 300)


def test_words_go_on_and_new_ones_join(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run, text = runs
    before = WordVectors.load(run)
    unmoved = WordVectors.train(text, start=run, **{**SETTINGS, "learning_rate": 1e-12, "minimum_learning_rate": 0.0})
    np.testing.assert_allclose(unmoved["au"], before["au"], atol=1e-7)
    after = WordVectors.train(text, start=run, run=tmp_path / "new", **SETTINGS)
    assert set(after.words) == set(before.words) | {"az", *(f"c{x}" for x in "rstuvw")}
    counts = dict(zip(after.words, after.vocabulary.counts.tolist()))
    assert counts["bu"] == dict(zip(before.words, before.vocabulary.counts.tolist()))["bu"]
    for word in ("az", "au", "bu", "ct"):  # au and bu are not in the new text
        assert {other[0] for other, _ in after.neighbours(word, 4)} == {word[0]}, word
    # The output table went on too: the loss begins where a run on its own would be later.
    from_vectors = WordVectors.train(text, start=run / "vectors", **SETTINGS)
    assert not np.array_equal(from_vectors.matrix, after.matrix)


def test_on_the_command_line(
    runs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, text = runs
    monkeypatch.chdir(tmp_path)
    words = ["words", str(text), "--start", str(run), "--run", "on", "--dimension", "16", "--epochs", "1"]
    assert main([*words, "--corpora", "kept"]) == 0
    assert list(Path("kept").glob("*/ids.npy"))
    assert "az" in WordVectors.load("on")
    assert main(["words", "on/config.toml"]) == 0  # the same run: nothing is left to do
    assert "nothing: the run had been finished" in capfd.readouterr().out
    assert main(["words", str(text), "--start", str(run), "--run", "other", "--dimension", "8"]) == 2
    assert "has vectors of 16 numbers, not dimension = 8" in capfd.readouterr().err
    assert main(["words", str(text), "--start", "nowhere", "--run", "other", "--dimension", "16"]) == 2
    assert not Path("other").exists()


def test_ngrams_go_on_from_a_run_alone(tmp_path: Path) -> None:
    text = write(tmp_path / "old.txt", {"a": "rstuvw", "b": "rstuvw"}, 100)
    settings = {**SETTINGS, "shortest_ngram": 1, "longest_ngram": 2, "buckets": 50}
    WordVectors.train(text, run=tmp_path / "old", **settings)
    start = WarmStart(tmp_path / "old", SkipGramConfig(**settings))
    assert start.ngrams is not None
    assert start.inputs.shape == (12, 16)
    on = WordVectors.train(text, start=tmp_path / "old", **settings)
    assert on.similarity("ax", "at") > on.similarity("ax", "bt")
    with pytest.raises(UserError, match="name the run folder"):
        WordVectors.train(text, start=tmp_path / "old" / "vectors", **settings)
    with pytest.raises(UserError, match="other n-grams"):
        WordVectors.train(text, start=tmp_path / "old", **SETTINGS)


def test_phrases_are_words_of_the_vectors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = [f"{a}{b}" for a in "klmn" for b in "vwxyz"] + ["new york", "new"]
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(rng.choice(words, 12)) for _ in range(300)))
    vectors = WordVectors.train(text, **{**SETTINGS, "phrases": (5.0,)})
    assert set(vectors.words) == {*words[:20], "new_york", "new"}
    with pytest.raises(UserError, match="do not go with start"):
        WordVectors.train(text, start=vectors.save(tmp_path / "v"), **{**SETTINGS, "phrases": (5.0,)})
    with pytest.raises(ValueError, match="scores above 0"):
        SkipGramConfig(phrases=(0.0,))


def test_counts_add_up_and_streams_are_counted(runs: tuple[Path, Path]) -> None:
    start = WarmStart(runs[0], SkipGramConfig(dimension=16))
    joined = start.joined(Vocabulary(["ar", "zz"], [10**6, 3]))
    assert joined.words[0] == "ar"
    assert joined.counts[0] == 10**6 + start.vocabulary.counts[start.vocabulary["ar"]]
    assert len(joined) == len(start.vocabulary) + 1
    assert occurrences(np.array([3, 0, -1, 2, -1], dtype=np.int32)) == 3
