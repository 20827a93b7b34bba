"""GloVe: a slow one beside it, exact resuming, and what does not go with it."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.words import cooccurrence
from graphkit.words import glove as glove_module
from graphkit.words.config import SkipGramConfig
from graphkit.words.corpus import Corpus
from graphkit.words.glove import GloVeTrainer
from graphkit.words.vectors import WordVectors
from neuralcore.checkpoint import CheckpointStore
from neuralcore.config import from_mapping, to_mapping, to_toml
from neuralcore.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SMALL = SkipGramConfig(loss="glove", dimension=8, window=3, epochs=2, min_count=1)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Sentences whose words all come from one of four groups: as at au …, bs bt …"""
    rng = np.random.default_rng(0)
    lines = (" ".join(g + w for w in rng.choice(list("stuvwx"), 8)) for g in rng.choice(list("abcd"), 800))
    (tmp_path / "clusters.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "clusters.txt"


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few entries a chunk, so that a small text has many; only the 144 or so of the clusters are few anyhow."""
    monkeypatch.setattr(cooccurrence, "SEGMENT", 4)
    monkeypatch.setattr(glove_module, "CHUNK", 3)


def trainer(text: Path, config: SkipGramConfig) -> GloVeTrainer:
    vocabulary, ids = Corpus([text]).read(config.min_count)
    return GloVeTrainer(ids, vocabulary, config)


# -- what is learnt -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("chunks")
def test_neighbours_come_from_the_same_cluster(text: Path, threads: int) -> None:
    vectors = WordVectors.train(text, loss="glove", dimension=16, epochs=40, threads=threads)
    for word in vectors.words:
        assert {other[0] for other, _ in vectors.neighbours(word, 5)} == {word[0]}, word
    assert vectors.similarity("as", "at") > 0.5 > vectors.similarity("as", "bt")


@pytest.mark.usefixtures("chunks")
def test_every_epoch_passes_over_every_cooccurrence_once_in_another_order(text: Path) -> None:
    found = trainer(text, SMALL)
    entries = found.counts.segments.ravel()[: found.counts.entries].tolist()
    expected = sorted({(i, j, x) for i, j, x in entries} | {(j, i, x) for i, j, x in entries})
    assert found.chunks_per_epoch > 5
    orders = []
    for epoch in range(2):
        chunks = range(epoch * found.chunks_per_epoch, (epoch + 1) * found.chunks_per_epoch)
        steps = [list(zip(*(a.tolist() for a in found.steps(chunk)))) for chunk in chunks]
        orders.append([step for chunk in steps for step in chunk])
        assert sorted(orders[-1]) == expected
    assert orders[0] != orders[1]
    assert found.total == 2 * len(expected)


@pytest.mark.usefixtures("chunks")
def test_a_slow_glove_learns_the_same(text: Path) -> None:
    config = dataclasses.replace(SMALL, x_max=50.0, learning_rate=0.1)
    fast, slow = trainer(text, config), trainer(text, config)
    w, v = (factor.vectors[:, :8].astype(np.float64) for factor in (slow.inputs, slow.outputs))
    b, c = np.zeros(len(w)), np.zeros(len(w))
    assert 0.03 < abs(w).max() <= 0.5 / 8
    assert not np.array_equal(w, v)
    squares = [np.ones_like(a) for a in (w, v, b, c)]
    for chunk in range(fast.chunks):
        _, loss = fast.train_chunk(chunk)
        expected = 0.0
        for i, j, x in zip(*slow.steps(chunk)):
            miss = w[i] @ v[j] + b[i] + c[j] - np.log(float(x))
            weight = (float(x) / 50.0) ** 0.75 if x < 50.0 else 1.0
            expected += 0.5 * weight * miss**2
            moves = [weight * miss * v[j], weight * miss * w[i], weight * miss, weight * miss]
            for array, square, row, move in zip((w, v, b, c), squares, (i, j, i, j), moves):
                array[row] -= 0.1 * move / square[row] ** 0.5
                square[row] += (0.1 * move) ** 2
        assert loss == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(fast.vectors()[0], w + v, atol=2e-5)
    np.testing.assert_allclose(fast.outputs.biases, c, atol=2e-5)


@pytest.mark.usefixtures("chunks")
def test_every_setting_of_glove_changes_something(text: Path) -> None:
    text.write_text("Rare, as at\n" + text.read_text())
    changed = {"dimension": 9, "window": 2, "epochs": 3, "learning_rate": 0.1, "x_max": 20.0, "min_count": 2}
    changed |= {"seed": 1, "tokenizer": "whitespace", "lowercase": False, "phrases": (0.5,)}
    refused = {"model", "negatives", "per_pair", "shortest_ngram", "longest_ngram", "buckets"}
    refused |= {"minimum_learning_rate", "sample", "device"}  # below, and n-grams' details in test_word_vectors.py
    separately = {"loss", "threads", "checkpoint_every"}
    assert changed.keys() | refused | separately == {f.name for f in dataclasses.fields(SkipGramConfig)}

    def result(**settings: Any) -> tuple[bytes, tuple[str, ...]]:
        vectors = WordVectors.train(text, SMALL, **settings)
        return vectors.matrix.tobytes(), tuple(vectors.words)

    plain = result()
    assert result() == plain
    for name, value in changed.items():
        assert result(**{name: value}) != plain, name


# -- settings -------------------------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_loss() -> None:
    def four(config: SkipGramConfig) -> tuple[float, ...]:
        return config.window, config.epochs, config.learning_rate, config.checkpoint_every

    of_words, of_glove = (5, 5, 0.025, 20_000_000), (10, 25, 0.05, 200_000_000)
    plain = SkipGramConfig()
    assert four(plain) == of_words
    assert four(SkipGramConfig(loss="glove")) == of_glove
    assert four(dataclasses.replace(plain, loss="glove")) == of_glove
    assert four(dataclasses.replace(plain, loss="glove", window=5)) == (5, *of_glove[1:])
    assert four(dataclasses.replace(dataclasses.replace(plain, loss="glove"), loss="margin")) == of_words
    kept = from_mapping(SkipGramConfig, tomllib.loads(to_toml(to_mapping(plain))))
    assert four(dataclasses.replace(kept, loss="glove")) == of_words  # what a file names is named


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "cbow"], "model changes nothing in GloVe"),
        (["--negatives", "3"], "negatives changes nothing in GloVe"),
        (["--per-pair"], "per_pair changes nothing in GloVe"),
        (["--longest-ngram", "6"], "longest_ngram changes nothing in GloVe"),
        (["--device", "auto"], "device changes nothing in GloVe"),
        (["--sample", "0"], "sample changes nothing in GloVe"),
        (["--minimum-learning-rate", "0"], "minimum_learning_rate changes nothing in GloVe"),
        (["--x-max", "0"], "x_max must be above 0, got 0.0"),
        (["--loss", "margin", "--x-max", "9"], "changes nothing without loss = glove"),
        (["--start", "elsewhere"], "name the old text and the new one together"),
        (["--learning-rate", "1e30"], "the loss became"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(text.parent)
    assert main(["words", text.name, "--loss", "glove", *words]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("{")]
    assert len(error) == 1
    assert message in error[0]


def test_a_user_trains_looks_and_goes_on(
    text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(text.parent)
    command = ["words", text.name, "--loss", "glove", "--dimension", "8", "--run", "run"]
    assert main([*command, "--show", "as"]) == 0
    out = capsys.readouterr().out
    assert "3,600 co-occurrences in" in out  # 25 epochs of 4 groups of 6 words, each beside each
    assert "co-occurrences/s" in out
    assert "Word vectors (GloVe) of" in Path("run/card.md").read_text()
    before = Path("run/vectors/manifest.json").read_bytes()
    assert main(["words", "run/config.toml"]) == 0
    assert "nothing: the run had been finished" in capsys.readouterr().out
    assert Path("run/vectors/manifest.json").read_bytes() == before
    assert main(["words", "run", "--show", "as", "--save", "vectors.txt"]) == 0
    assert WordVectors.read("vectors.txt").words == WordVectors.load("run").words
    # Words of GloVe are a start for the other losses: its vectors are the sum of both factors.
    on = WordVectors.train(text, start="run", dimension=8, epochs=1, learning_rate=1e-12, minimum_learning_rate=0.0)
    np.testing.assert_allclose(on["as"], WordVectors.load("run")["as"], atol=1e-6)


# -- going on -------------------------------------------------------------------------------------------------------


class Killed(Exception):
    pass


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("checkpoints", [1, 3])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    checkpoints: int, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(SMALL, checkpoint_every=100)
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
    resumed = WordVectors.train(text, config, run=tmp_path / "cut")
    assert resumed.training is not None
    assert 0 < resumed.training.words < trainer(text, config).total
    for part in ("vectors", "checkpoints", "metrics.jsonl"):
        cut, whole = tmp_path / "cut" / part, tmp_path / "whole" / part
        assert folder_bytes(cut) == folder_bytes(whole)
        assert cut.is_dir() or cut.read_bytes() == whole.read_bytes()
    text.write_text(text.read_text().replace("as", "at", 1))
    with pytest.raises(UserError, match="trained on another text"):
        WordVectors.train(text, config, run=tmp_path / "cut")


@pytest.mark.faults
def test_kill_9_and_the_same_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "graphkit.cli", "words", "sample:tinyshakespeare", "--loss", "glove"]
    command += ["--epochs", "12", "--checkpoint-every", "500_000", "--run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def start(run: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / f"{run}.log", "wb") as log:
            return subprocess.Popen([*command, run], cwd=tmp_path, env=environment, stdout=log, stderr=log)

    def newest(run: str) -> int:
        steps = (tmp_path / run).glob("checkpoints/step_*")
        return max((int(p.name[5:]) for p in steps if p.name[5:].isdigit()), default=0)

    assert start("whole").wait(timeout=200) == 0, (tmp_path / "whole.log").read_text()
    killed = 0
    for _ in range(3):
        process, before = start("cut"), newest("cut")
        while process.poll() is None and newest("cut") == before:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert start("cut").wait(timeout=200) == 0, (tmp_path / "cut.log").read_text()
    assert killed >= 2
    assert folder_bytes(tmp_path / "cut" / "vectors") == folder_bytes(tmp_path / "whole" / "vectors")
