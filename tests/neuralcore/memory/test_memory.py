"""The memory network: counts, the paper's formulas by hand, every setting, stories by heart, a run folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore.data.stories import NUMBER, PLACES, numbers, stories
from neuralcore.fitting import FitConfig, fit
from neuralcore.memory import MemoryNetwork, memory_task
from neuralcore.memory.memory_config import MemoryConfig
from neuralcore.memory.memory_network import position_weights
from neuralcore.vision.counting import parameters

CPU = torch.device("cpu")
SMALL = MemoryConfig(stories=32, sentences=6, width=16, hops=2, fit=FitConfig(epochs=40, batch_size=32))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer stories to judge by."""
    monkeypatch.setattr(memory_task, "JUDGED", {"valid": 20, "test": 40})


def test_counts() -> None:
    v, s, d, k = 24, 10, 20, 3
    assert parameters(MemoryNetwork(v, s, 5, width=d, hops=k)) == (k + 1) * (v + s) * d
    layerwise = 3 * v * d + 2 * s * d + d * d + d * v
    assert parameters(MemoryNetwork(v, s, 5, width=d, hops=k, tying="layerwise")) == layerwise


def test_position_weights_by_hand() -> None:
    expected = [[1 / 2 - 0, 1 / 2 - 0], [0 + 1 / 2, 0 + 1]]  # J = 2, d = 2: (1 - j/2) - (k/2)(1 - j)
    assert position_weights(2, 2).tolist() == expected


@pytest.mark.parametrize("tying", ["adjacent", "layerwise"])
def test_it_reads_as_the_paper_says(tying) -> None:
    torch.manual_seed(0)
    model = MemoryNetwork(9, 4, 3, width=5, hops=2, tying=tying).double().eval()
    story = torch.tensor([[1, 2, 0], [3, 4, 5], [6, 0, 0], [0, 0, 0]])
    question = torch.tensor([7, 8, 1])
    weights = position_weights(3, 5).double()
    e, t = [table.weight for table in model.tables], list(model.times)

    def meant(table: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        return sum(weights[j] * table[word] for j, word in enumerate(words) if word)

    u = meant(e[0] if tying == "adjacent" else model.ask.weight, question)
    for hop in range(2):
        a, c = (hop, hop + 1) if tying == "adjacent" else (0, 1)
        m = torch.stack([meant(e[a], story[i]) + t[a][2 - i] for i in range(3)])
        o = torch.stack([meant(e[c], story[i]) + t[c][2 - i] for i in range(3)])
        p = torch.softmax(m @ u, 0)
        u = (u if tying == "adjacent" else model.between.weight @ u) + p @ o
    logits = (e[-1] if tying == "adjacent" else model.answer.weight) @ u
    found = model.read(story[None], question[None])
    torch.testing.assert_close(found.logits[0], logits)
    torch.testing.assert_close(found.attention[0, -1], torch.cat([p, torch.zeros(1, dtype=torch.float64)]))
    with pytest.raises(ValueError, match="questions"):
        model(story[None], question[None, :2])


def test_linear_start_ends_after_its_stories() -> None:
    drawn = stories(8, 6, 2, seed=0)
    batch = torch.from_numpy(drawn.sentences), torch.from_numpy(drawn.questions)
    torch.manual_seed(0)
    model = MemoryNetwork(24, 6, 5, width=8, linear_for=16)
    torch.manual_seed(0)
    soft = MemoryNetwork(24, 6, 5, width=8)
    sums = []
    for _ in range(3):
        sums.append(model.read(*batch).attention.sum(2))
    assert not torch.allclose(sums[1], torch.ones(8, 3))
    torch.testing.assert_close(sums[2], torch.ones(8, 3))
    assert int(model.seen) == 24
    torch.testing.assert_close(model(*batch), soft(*batch))
    model.eval()(*batch)
    assert int(model.seen) == 32  # what is only read does not count


def test_linear_start_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, linear_epochs=1.5, fit=FitConfig(epochs=4, batch_size=16))
    whole = config.build(0)
    fit(whole, config.fit, seed=0)
    for epochs in (1, 4):
        part = config.build(0)
        fit(part, dataclasses.replace(config.fit, epochs=epochs), seed=0, folder=tmp_path)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, part.model.state_dict()[name]), name


def test_a_batch_is_learned_by_heart() -> None:
    config = dataclasses.replace(
        SMALL, fit=FitConfig(epochs=150, batch_size=32, learning_rate=2e-2, evaluate_every=0.0)
    )
    task = config.build(0)
    fit(task, config.fit, seed=0)
    batch = task.batch(np.arange(32), torch.Generator(), CPU)
    with torch.no_grad():
        loss, figures = task.loss(batch, torch.Generator())
    assert float(loss) < 0.1
    assert float(figures["accuracy"]) == 1.0
    again = config.rebuild(task.description)
    again.load_state_dict(task.model.state_dict())
    assert torch.equal(again.eval()(batch.stories, batch.questions), task.model(batch.stories, batch.questions))


def test_every_setting_changes_something() -> None:
    def loss(config: MemoryConfig) -> float:
        task = config.build(0)
        batch = task.batch(np.arange(16), torch.Generator(), CPU)
        return float(task.loss(batch, torch.Generator())[0].detach())

    found = {"": loss(SMALL)}
    for more in (
        {"data": "one_hop"},
        {"sentences": 7},
        {"width": 17},
        {"hops": 3},
        {"tying": "layerwise"},
        {"position": False},
        {"linear_epochs": 1.0},
    ):
        found[str(more)] = loss(dataclasses.replace(SMALL, **more))
    assert len(set(found.values())) == len(found), found
    assert len(SMALL.build(0).order(np.random.default_rng(0))) == 32


def test_bad_settings() -> None:
    for more, said in (
        ({"stories": 0}, "stories must be 1 or more"),
        ({"sentences": 3}, "sentences must be 4 or more"),
        ({"linear_epochs": -1.0}, "linear_epochs must be 0 or more"),
        ({"linear_epochs": 10.0}, "leave no epoch of 10 with a softmax"),
    ):
        with pytest.raises(ValueError, match=said):
            MemoryConfig(**more)


def test_a_run_folder_and_its_picture(here: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    from neuralcore import cli
    from neuralcore.fitting.saved import load_model

    words = ["fit", "configs/sequence/memory_two_hop.toml", "--run", "run", "--epochs", "2", "--linear-epochs", "1"]
    assert cli.main([*words, "--stories", "200"]) == 0
    assert {"attention.png", "test.json", "card.md"} <= {path.name for path in Path("run").iterdir()}
    fitted = load_model("run")
    told = ["mary walks to the hall", "", ""]
    story = torch.tensor([[numbers(line) for line in told]])
    logits = fitted.model(story, torch.tensor([numbers("where is mary ?")]))
    assert logits.shape == (1, len(NUMBER))


@pytest.mark.learning
def test_two_hops_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    from neuralcore.config import find_config, from_mapping, read_toml

    monkeypatch.setattr(memory_task, "JUDGED", {"valid": 500, "test": 2_000})
    path = find_config("configs/sequence/memory_two_hop.toml")
    values = read_toml(path)
    values.pop("task")
    config = from_mapping(MemoryConfig, values, path)
    task = config.build(0)
    fit(task, config.fit, seed=0)
    assert task.evaluate("test")["accuracy"] >= 0.97
    assert {int(word) for word in task.splits["test"].answers} == {NUMBER[place] for place in PLACES}
