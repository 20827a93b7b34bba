"""Training against attacks: the task, its settings, and a run of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.data.shapes import shapes
from neuralcore.fitting import FitConfig, fit
from neuralcore.fitting.optimisers import train_mode
from neuralcore.fitting.saved import load_model
from neuralcore.understanding.adversarial import Adversarial
from neuralcore.understanding.adversarial_config import AdversarialConfig

BASE = AdversarialConfig(
    data="shapes",
    model="lenet",
    valid=0.25,
    epsilon=0.05,
    steps=2,
    judge_steps=4,
    judged=50,
    fit=FitConfig(epochs=1, batch_size=50, learning_rate=3e-3, evaluate_every=0.0),
)


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing them takes most of the time otherwise."""
    drawn = {
        split: shapes(count, seed=i).classified() for i, (split, count) in enumerate([("train", 200), ("test", 60)])
    }
    monkeypatch.setattr("neuralcore.vision.classification.read_images", lambda path: drawn)


def figures(config: AdversarialConfig) -> dict[str, float]:
    torch.set_num_threads(1)
    task = Adversarial(config)
    found = fit(task, config.fit)
    with torch.no_grad():
        judged = task.evaluate("valid")
    return {"loss": found.history[-1]["loss"], **judged}


def test_every_setting_changes_something() -> None:
    base = figures(BASE)
    assert base == figures(BASE)
    changes: list[dict[str, Any]] = [{"norm": "l2"}, {"epsilon": 0.1}, {"attack": "fgsm", "steps": 7}, {"steps": 4}]
    for change in [*changes, {"clean": 1.0}]:
        assert figures(replace(BASE, **change))["loss"] != base["loss"], change
    task = Adversarial(replace(BASE, epsilon=0.01))
    fit(task, BASE.fit)
    judged = {}
    for name, change in {
        "base": {"epsilon": 0.02},
        "steps": {"epsilon": 0.02, "judge_steps": 1},
        "fewer": {"epsilon": 0.02, "judged": 13},
        "stronger": {"epsilon": 0.1, "judge_restarts": 2},
    }.items():
        task.config = replace(task.config, **change)
        judged[name] = task.evaluate("valid")["robust_accuracy"]
    assert judged["stronger"] <= judged["base"] <= judged["steps"]
    assert (judged["fewer"] * 13) % 1.0 == pytest.approx(0.0, abs=1e-9) or judged["fewer"] == 1.0


def test_the_loss_is_that_of_attacked_images() -> None:
    task = Adversarial(BASE)
    batch = task.batch(np.arange(20), torch.Generator().manual_seed(0), torch.device("cpu"))
    task.model.eval()
    clean, _ = task.plain.loss(batch, torch.Generator())
    attacked, found = task.loss(batch, torch.Generator().manual_seed(1))
    assert float(attacked.detach()) > float(clean.detach())
    assert set(found) == {"robust_accuracy"}
    task.model.train()
    task.loss(batch, torch.Generator())
    assert task.model.training
    both, found = Adversarial(replace(BASE, clean=1.0)).loss(batch, torch.Generator().manual_seed(1))
    assert float(clean.detach()) < float(both.detach()) < float(attacked.detach())
    assert set(found) == {"robust_accuracy", "accuracy"}


def test_frozen_batch_norms_stay_frozen() -> None:
    """The loop has them in evaluation mode while all else trains, and an attack must leave them there."""
    task = Adversarial(replace(BASE, model="resnet", settings={"depth": 8, "widths": (4, 4, 4)}))
    batch = task.batch(np.arange(8), torch.Generator().manual_seed(0), torch.device("cpu"))
    train_mode(task.model, ("network.trunk",))
    before = {name: value.clone() for name, value in task.model.named_buffers()}
    loss, _ = task.loss(batch, torch.Generator().manual_seed(1))
    loss.backward()
    assert all(torch.equal(value, before[name]) for name, value in task.model.named_buffers())
    assert all(parameter.grad is not None for parameter in task.model.parameters())


FILE = """
task = "adversarial"
data = "shapes"
model = "lenet"
epsilon = 0.03
steps = 2
judge_steps = 3
judged = 40

[fit]
epochs = 1
batch_size = 50
"""


def test_a_run(here: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (extra plots)")
    (here / "tiny.toml").write_text(FILE)
    assert cli.main(["fit", "tiny.toml", "--threads", "1"]) == 0
    test = json.loads(Path("runs/tiny/test.json").read_text())
    assert 0.0 <= test["robust_accuracy_low"] <= test["robust_accuracy"] <= test["robust_accuracy_high"] <= 1.0
    assert Path("runs/tiny/attacked.png").stat().st_size > 5_000
    assert load_model("runs/tiny").task == "adversarial"
    for flag, value, message in [
        ("--epsilon", "0", "epsilon must be above 0"),
        ("--mixup", "1", "no hinge, mixup or cutmix"),
        ("--judged", "0", "judged must be 1 or more"),
    ]:
        assert cli.main(["fit", "tiny.toml", "--run", "other", flag, value]) == 2
        assert message in capsys.readouterr().err
