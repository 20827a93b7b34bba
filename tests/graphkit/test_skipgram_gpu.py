"""Training on a GPU: by Triton's interpreter, whose programs run in order, it does what the CPU does."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.words import skipgram as skipgram_module
from graphkit.words import skipgram_gpu
from graphkit.words.config import SkipGramConfig
from graphkit.words.skipgram import SkipGramTrainer
from graphkit.words.skipgram_gpu import GpuTrainer, rows_of
from graphkit.words.subwords import Rows
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.checkpoint import CheckpointStore
from neuralcore.device import gpu
from neuralcore.errors import UserError
from neuralcore.telemetry import Telemetry

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
HERE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")

WORDS = ["ab", "abc", "bcd", "cab", "dd", "e", "fa", "gab"]
SMALL = SkipGramConfig(dimension=5, window=2, epochs=2, sample=0.02, seed=3, minimum_learning_rate=0.025)


def trainer_of(config: SkipGramConfig, positions: int = 36) -> SkipGramTrainer:
    rng = np.random.default_rng(1)
    ids = rng.integers(0, len(WORDS), positions).astype(np.int32)
    ids[7::11] = -1
    counts = np.bincount(ids[ids >= 0], minlength=len(WORDS)) + 1
    return SkipGramTrainer(ids, Vocabulary(WORDS, sorted(counts.tolist(), reverse=True)), config)


def fitted(config: SkipGramConfig, device: Any, store: CheckpointStore | None = None) -> SkipGramTrainer:
    trainer = trainer_of(config)
    trainer.gpu = device
    trainer.output_table.uniform(0.1, np.random.default_rng(2))  # of zeros the first steps would teach little
    with Telemetry(72, "words", title="", stream=io.StringIO()) as telemetry:
        trainer.fit(telemetry, store)
    return trainer


# -- the same as on the CPU -----------------------------------------------------------------------------------------


@pytest.mark.skipif(HERE.type == "cuda", reason="a GPU's windows run at once")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"per_pair": True},
        {"model": "cbow"},
        {"loss": "hierarchical_softmax"},
        {"model": "cbow", "loss": "margin"},
        {"shortest_ngram": 1, "longest_ngram": 2, "buckets": 20},
        {"shortest_ngram": 1, "longest_ngram": 2, "buckets": 20, "model": "cbow"},
    ],
    ids=str,
)
def test_the_tables_are_those_of_the_cpu(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 10)
    monkeypatch.setattr(skipgram_gpu, "TOGETHER", 3)
    config = replace(SMALL, epochs=1 + (not settings), **settings)  # two once: the interpreter is slow
    expected, found = fitted(config, None), fitted(config, HERE)
    assert (found.words, found.chunk) == (expected.words, expected.chunk)
    for name in ("input_table", "output_table"):
        before = getattr(trainer_of(config), name).weight
        assert np.abs(getattr(expected, name).weight - before).max() > 0.005
        np.testing.assert_allclose(
            getattr(found, name).storage, getattr(expected, name).storage, rtol=1e-4, atol=1e-6, err_msg=name
        )


def test_figures_and_step_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 10)
    monkeypatch.setattr(skipgram_gpu, "TOGETHER", 3)
    trainer, plain = (trainer_of(replace(SMALL, minimum_learning_rate=0.0)) for _ in range(2))
    rates, descend = [], GpuTrainer.descend

    def spy(self: GpuTrainer, begin: int, end: int, epoch: int, rate: float) -> Any:
        rates.append((begin, end, epoch, rate))
        return descend(self, begin, end, epoch, 0.0)  # so that the losses are those of the first vectors

    monkeypatch.setattr(GpuTrainer, "descend", spy)
    done = list(GpuTrainer(trainer, HERE).train(range(4, 8)))
    # Chunks 4 to 7 are the second epoch's: 10 + 10 + 10 positions at once, then the 6 that are left.
    assert [chunk for chunk, _ in done] == [6, 7]
    assert [rate[:3] for rate in rates] == [(0, 30, 1), (30, 36, 1)]
    assert [rate[3] for rate in rates] == pytest.approx([plain.learning_rate(5), plain.learning_rate(7)])
    monkeypatch.setattr(plain, "learning_rate", lambda chunk: 0.0)
    chunks = [plain.train_chunk(chunk) for chunk in range(4, 8)]
    for (_, (words, steps, loss)), part in zip(done, (chunks[:3], chunks[3:])):
        assert (words, steps) == (sum(c[0] for c in part), sum(c[1] for c in part))
        assert float(loss) == pytest.approx(sum(c[2] for c in part), rel=1e-5)
        assert loss.device.type == HERE.type  # nobody has waited for it


def test_compiling_changes_nothing() -> None:
    trainer = trainer_of(SMALL)
    before = trainer.input_table.storage.copy()
    on_device = GpuTrainer(trainer, HERE)
    on_device.compile()
    on_device.fetch()
    np.testing.assert_array_equal(trainer.input_table.storage, before)


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError

    on_device = GpuTrainer(trainer_of(SMALL), HERE)
    monkeypatch.setattr(skipgram_gpu, "descend", full)
    with pytest.raises(UserError, match=r"no room for tables of 0\.00 GB .*: lower dimension"):
        on_device.descend(0, 36, 0, 0.1)
    monkeypatch.setattr(GpuTrainer, "_moved", full)
    with pytest.raises(UserError, match="no room"):
        GpuTrainer(trainer_of(SMALL), HERE)


def test_words_become_rows_as_on_the_cpu() -> None:
    made_of = Rows(np.array([0, 2, 2, 5]), np.array([7, 8, 4, 5, 6], dtype=np.int32))
    words, offsets = np.array([2, 0, 1, 2], dtype=np.int32), np.array([0, 1, 1, 3, 4])
    tensors = (torch.from_numpy(a) for a in (made_of.offsets, made_of.rows, words, offsets))
    for found, expected in zip(rows_of(*tensors), made_of.of(words, offsets)):
        assert found.tolist() == expected.tolist()


# -- runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("devices", [(None, HERE), (HERE, None)], ids=["there", "back"])
def test_a_checkpoint_goes_on_on_the_other_device(
    devices: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 10)
    monkeypatch.setattr(skipgram_gpu, "TOGETHER", 3)
    config = replace(SMALL, checkpoint_every=20)
    expected = fitted(config, devices[0])
    save = CheckpointStore.save

    def save_and_die(self: CheckpointStore, *args: Any) -> None:
        save(self, *args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            fitted(config, devices[0], CheckpointStore(tmp_path))
    checkpoint = CheckpointStore(tmp_path).load()
    assert checkpoint is not None
    second = trainer_of(config)
    second.gpu = devices[1]
    second.restore(checkpoint)
    assert 0 < second.chunk < second.chunks
    with Telemetry(72, "words", title="", stream=io.StringIO(), start=second.words) as telemetry:
        second.fit(telemetry)
    assert second.words == expected.words
    np.testing.assert_allclose(second.vectors()[0], expected.vectors()[0], rtol=1e-3, atol=1e-5)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("the cat and the dog and the cat\n" * 3)
    return path


@without_gpu
def test_a_gpu_that_is_not_there_is_told_before_anything_is_done(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["words", str(text), "--device", "cuda", "--run", str(run), "--min-count", "1"]) == 2
    assert "sees no GPU: use cpu" in capsys.readouterr().err
    assert not run.exists()
    for name, message in [("gpu", "use auto, cpu, cuda or cuda:N"), ("meta", "use auto, cpu, cuda or cuda:N")]:
        with pytest.raises(UserError, match=message):
            gpu(name)
    assert gpu("auto") is None


@without_gpu
def test_the_device_may_change_and_the_cpu_does_without_torch(text: Path, tmp_path: Path) -> None:
    settings = {"dimension": 4, "min_count": 1, "epochs": 1, "run": tmp_path / "run"}
    WordVectors.train(text, device="auto", **settings)
    again = WordVectors.train(text, device="cpu", **settings)
    assert again.training is not None
    assert again.training.words == 0
    code = (
        "import sys; from graphkit.words.vectors import WordVectors\n"
        f"WordVectors.train({str(text)!r}, dimension=4, min_count=1, epochs=1); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(skipgram_module.__file__).parents[1])


# -- with a GPU -----------------------------------------------------------------------------------------------------


def planted(words: int, positions: int) -> tuple[np.ndarray, Vocabulary, np.ndarray]:
    """A stream in which words of one of 50 groups stand together, frequent ones and rare ones; each word's group."""
    rng = np.random.default_rng(0)
    groups, shares = 50, 1.0 / np.arange(1, words // 50 + 1)
    within = rng.choice(len(shares), positions, p=shares / shares.sum())
    ids = within * groups + np.repeat(rng.integers(0, groups, -(-positions // 20)), 20)[:positions]
    ids[19::20] = -1
    order = np.argsort(-np.bincount(ids[ids >= 0], minlength=words), kind="stable")
    rank = np.empty(words, np.int64)
    rank[order] = np.arange(words)
    ids = np.where(ids < 0, -1, rank[ids]).astype(np.int32)
    counts = np.maximum(np.bincount(ids[ids >= 0], minlength=words), 1)
    return ids, Vocabulary([f"w{n}" for n in range(words)], counts.tolist()), order % groups


@pytest.mark.gpu
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"per_pair": True},
        {"model": "cbow"},
        {"loss": "hierarchical_softmax"},
        {"loss": "margin", "learning_rate": 0.005},
    ],
    ids=str,
)
def test_a_gpu_learns_what_the_cpu_learns(settings: dict[str, Any], tmp_path: Path) -> None:
    ids, vocabulary, group = planted(20_000, 5_000_000)
    losses, apart = [], []
    for number, device in enumerate(("cpu", "cuda", "cuda")):
        config = SkipGramConfig(**{"dimension": 100, "epochs": 3, "device": device, **settings})
        trainer = SkipGramTrainer(ids, vocabulary, config)
        with Telemetry(3 * len(ids), "words", title="", folder=tmp_path / str(number)) as telemetry:
            trainer.fit(telemetry)
        rows = (tmp_path / str(number) / "metrics.jsonl").read_text().splitlines()
        losses.append(json.loads(rows[-1])["loss"])
        nearest = WordVectors(vocabulary, trainer.vectors()[0]).neighbours_of(vocabulary.words[:2000], 5)
        found = [[group[vocabulary[other]] for other, _ in others] for others in nearest.values()]
        apart.append(np.mean(np.array(found) == group[:2000, None]))
    # Windows at once cost some loss, by the rows of frequent words (benchmarks/words_at_once.py), and no neighbours.
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[1] == pytest.approx(losses[2], rel=0.01)  # not the same bytes, but the same training
    assert min(apart[1:]) > apart[0] - 0.02
