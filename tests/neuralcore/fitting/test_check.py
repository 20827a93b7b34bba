"""The checks before a fit: a sound task passes each, and each finds the fault it is for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuralcore import cli
from neuralcore.fitting import FitConfig, Player, check, players_of
from neuralcore.seeding import seeded_torch

CPU = torch.device("cpu")
CONFIG = FitConfig(batch_size=16, learning_rate=1e-3, optimiser="adam")


class Spots:
    """Images of which one of four pixels is lit."""

    score, lower, classes = "accuracy", False, 4

    def __init__(self, last: float = 1.0, bias: float = 0.0, shuffled: bool = False, relu: Any = None):
        with seeded_torch(0):
            layers = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), relu or nn.ReLU(inplace=True), nn.Flatten()]
            self.model: nn.Module = nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(128, self.classes))
        with torch.no_grad():
            self.model[-1].weight.mul_(last)  # type: ignore[index, operator]
            self.model[1].bias.add_(bias)  # type: ignore[index, operator]
        generator = torch.Generator().manual_seed(1)
        self.labels = torch.randint(self.classes, (200,), generator=generator)
        self.images = 0.3 * torch.randn((200, 1, 4, 4), generator=generator)
        self.images[torch.arange(200), 0, self.labels, 1] += 2.0
        self.shuffled, self.description = shuffled, {}

    def order(self, generator: np.random.Generator) -> np.ndarray:
        return generator.permutation(200)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Any:
        return self.images[rows], self.labels[rows]

    def loss(self, batch: Any, generator: torch.Generator) -> Any:
        images, labels = batch
        if self.shuffled:
            self.calls = getattr(self, "calls", 0) + 1  # labels that are others each time cannot be learned
            labels = (labels + self.calls) % self.classes
        logits = self.model(images).float()
        return nn.functional.cross_entropy(logits, labels), {"accuracy": (logits.argmax(1) == labels).float().mean()}

    def players(self) -> list[Player]:
        return players_of(self.model, self.loss)

    def evaluate(self, split: str) -> dict[str, float]:
        return {}

    def draw(self, folder: Path) -> None:
        return


CHECKS: dict[str, Callable[[Any], check.Verdict]] = {
    "initial": lambda task: check.initial_loss(task, device=CPU),
    "gradients": lambda task: check.gradients(task, device=CPU),
    "dead": lambda task: check.dead_units(task, device=CPU),
    "overfit": lambda task: check.overfit(task, device=CPU),
    "updates": lambda task: check.updates(task, CONFIG, device=CPU),
    "rates": lambda task: check.learning_rates(task, CONFIG, steps=60, device=CPU),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_sound_task_passes_and_is_left_as_it_was(name: str) -> None:
    task = Spots()
    before = {key: value.clone() for key, value in task.model.state_dict().items()}
    task.model[4].eval()  # type: ignore[index]
    found = CHECKS[name](task)
    assert found.passed, found
    assert found.figures
    after = task.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert task.model.training
    assert not task.model[4].training  # type: ignore[index]
    assert task.model[4].p == 0.3  # type: ignore[index]
    assert found == CHECKS[name](task)


def test_the_initial_loss_finds_large_weights() -> None:
    found = check.initial_loss(Spots(last=40.0), device=CPU)
    assert found.passed is False
    assert found.figures["chance"] == pytest.approx(math.log(4))
    task = Spots()
    task.classes = None  # type: ignore[assignment]
    assert check.initial_loss(task, device=CPU).passed is None


def test_overfitting_finds_labels_that_change() -> None:
    assert check.overfit(Spots(shuffled=True), steps=60, device=CPU).passed is False


def test_a_loss_with_a_floor_need_not_fall_to_nothing() -> None:
    class Floored(Spots):
        def loss(self, batch: Any, generator: torch.Generator) -> Any:
            return super().loss(batch, generator)[0] + 2.0, {}

    task = Floored()
    assert check.overfit(task, steps=100, device=CPU).passed is False
    task.by_heart = 0.75  # type: ignore[attr-defined]
    assert check.overfit(task, steps=100, device=CPU).passed
    assert check.overfit(task, steps=1, device=CPU).passed is False


def test_gradients_of_many_arrays_are_tried_by_fewer_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check.gradients(Spots(), device=CPU).figures["weights"] == 6 * 3
    monkeypatch.setattr(check, "MOST", 13)
    assert check.gradients(Spots(), device=CPU).figures["weights"] == 6 * 2
    monkeypatch.setattr(check, "MOST", 2)
    assert check.gradients(Spots(), device=CPU).figures["weights"] == 6


def test_gradients_find_a_wrong_derivative() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x.clamp_min(0.0)

        @staticmethod
        def backward(ctx: Any, slope: torch.Tensor) -> torch.Tensor:
            return slope * (ctx.saved_tensors[0] > -0.1)

    class WrongReLU(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Wrong.apply(x)

    found = check.gradients(Spots(relu=WrongReLU()), device=CPU)
    assert found.passed is False
    assert found.figures["where"].startswith(("0.", "1."))


@pytest.mark.parametrize("functional", [False, True])
def test_dead_units_are_found(functional: bool) -> None:
    class Function(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x)

    found = check.dead_units(Spots(bias=-50.0, relu=Function() if functional else None), device=CPU)
    assert found.passed is False
    assert found.figures == {"1": 1.0}
    assert check.dead_units(Spots(bias=-50.0, relu=nn.ReLU6()), device=CPU).figures == {"1": 1.0}
    assert check.dead_units(Spots(relu=nn.Tanh()), device=CPU).passed is None


def test_updates_too_large_and_too_small() -> None:
    for rate in (3.0, 1e-11):
        found = check.updates(Spots(), replace(CONFIG, learning_rate=rate), device=CPU)
        assert found.passed is False
        assert "outside" in found.text


def test_a_learning_rate_beyond_where_the_loss_explodes() -> None:
    found = check.learning_rates(Spots(), replace(CONFIG, optimiser="sgd", learning_rate=1e6), steps=60, device=CPU)
    assert found.passed is False
    assert 1e-3 < found.figures["suggested"] < found.figures["explodes"]
    small = check.learning_rates(Spots(), CONFIG, lowest=1e-9, highest=1e-7, steps=20, device=CPU)
    assert small.passed is False
    assert "fell at no rate" in small.text
    assert check.learning_rates(Spots(), replace(CONFIG, optimiser="lbfgs"), device=CPU).passed is None


def test_the_suggested_rate_is_where_the_loss_falls_and_no_later() -> None:
    """One weight w, loss (w - 1)²/2 + 1 by SGD: a step with rate r takes the share r of what is left."""

    class One(Spots):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Linear(1, 1, bias=False)
            nn.init.constant_(self.model.weight, 0.0)

        def loss(self, batch: Any, generator: torch.Generator) -> Any:
            return 0.5 * (self.model.weight[0, 0] - 1.0) ** 2 + 1.0, {}

    steps, ratio = 200, 1e7 ** (1 / 199)
    found = check.learning_rates(One(), replace(CONFIG, optimiser="sgd"), steps=steps, device=CPU)
    left, losses = 1.0, []
    for step in range(steps):
        losses.append(0.5 * left**2 + 1.0)
        left *= 1.0 - 1e-6 * ratio**step
    steepest = 1e-6 * ratio ** int(np.argmin(np.gradient(losses[: int(np.argmin(losses)) + 1])))
    assert found.figures["suggested"] == pytest.approx(steepest, rel=2.0 * (ratio - 1.0))


FILE = """
task = "classify"
data = "shapes"
model = "mlp"
examples = 200
smoothing = 0.1
mixup = 0.5

[settings]
hidden = [32]

[fit]
batch_size = 20
optimiser = "adam"
learning_rate = 1e-3
"""


def test_the_command(here: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (extra plots)")
    from neuralcore.data.shapes import shapes

    drawn = {"train": shapes(120).classified(), "test": shapes(20, seed=1).classified()}
    monkeypatch.setattr("neuralcore.vision.classification.read_images", lambda path: drawn)
    Path("tiny.toml").write_text('run = "elsewhere"\nseed = 0\n' + FILE)
    assert cli.main(["check", "tiny.toml", "--threads", "1", "--picture", "rates.png"]) == 0
    out = capsys.readouterr().out
    assert out.count("passed") == 6
    assert Path("rates.png").stat().st_size > 5_000
    assert cli.main(["check", "tiny.toml", "--threads", "1", "--learning-rate", "1000"]) == 1
    assert "failed: updates, learning rates" in capsys.readouterr().out
    assert cli.main(["check", "tiny.toml", "--picture", "rates.gif"]) == 2
    assert "name a .png file" in capsys.readouterr().err
