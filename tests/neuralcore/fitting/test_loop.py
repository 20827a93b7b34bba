"""The loop: what a step does, that it goes on exactly where it was killed, and what it keeps in the end."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig, Player, fit, players_of
from neuralcore.fitting.loop import Fit


class Line:
    """y = x w + noise: least squares, with dropout and a batch norm where asked for."""

    score, lower = "loss", True

    def __init__(self, examples: int = 50, odd: bool = False, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(examples, 4, generator=generator)
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5, 0.0]) + 0.1 * torch.randn(examples, generator=generator)
        layers: list[nn.Module] = [nn.Linear(4, 1)]
        if odd:
            layers = [nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)]
        self.model: nn.Module = nn.Sequential(*layers)
        for parameter in self.model.parameters():
            with torch.no_grad():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        self.description: dict[str, Any] = {}
        self.seen: list[list[int]] = []

    def order(self, generator: np.random.Generator) -> np.ndarray:
        return generator.permutation(len(self.x))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Any:
        self.seen.append(rows.tolist())
        noise = 0.01 * torch.randn(len(rows), 4, generator=generator)
        return self.x[rows] + noise, self.y[rows]

    def loss(self, batch: Any, generator: torch.Generator) -> Any:
        x, y = batch
        return (self.model(x)[:, 0] - y).pow(2).mean(), {}

    def players(self) -> list[Player]:
        return players_of(self.model, self.loss)

    def evaluate(self, split: str) -> dict[str, float]:
        return {"loss": float((self.model(self.x)[:, 0] - self.y).pow(2).mean().detach())} if split == "valid" else {}

    def draw(self, folder: Path) -> None:
        return


def weights(task: Line) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in task.model.state_dict().items()}


BASE = FitConfig(epochs=4, batch_size=8, learning_rate=0.05, optimiser="sgd")


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs"])
def test_every_optimiser_fits(optimiser: Any) -> None:
    task = Line()
    rate = {"sgd": 0.2, "adagrad": 0.5, "rmsprop": 0.005, "lbfgs": 1.0}.get(optimiser, 0.05)
    fit(task, replace(BASE, optimiser=optimiser, learning_rate=rate, epochs=30))
    assert task.evaluate("valid")["loss"] < 0.03


def test_lbfgs_reaches_least_squares() -> None:
    task = Line()
    task.batch = lambda rows, generator, device: (task.x[rows], task.y[rows])  # type: ignore[method-assign]
    found = fit(task, FitConfig(epochs=8, optimiser="lbfgs", learning_rate=1.0))
    assert found.steps == 1  # all examples at once, whatever the batch size
    ones = torch.cat([task.x, torch.ones(50, 1)], 1)
    best = torch.linalg.lstsq(ones, task.y[:, None]).solution[:, 0]
    np.testing.assert_allclose(task.model.state_dict()["0.weight"][0], best[:4], atol=1e-4)


def test_an_epoch_has_whole_batches_and_others_each_time() -> None:
    task = Line()
    found = fit(task, BASE)
    assert found.steps == 6
    assert [len(rows) for rows in task.seen] == [8] * 24
    epochs = [sorted(itertools.chain(*task.seen[6 * e : 6 * e + 6])) for e in range(4)]
    assert all(len(set(rows)) == 48 for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) > 1


VARIANTS = [
    replace(BASE, optimiser="adamw", average="ema", average_decay=0.9, weight_decay=0.01, clip=1.0),
    replace(BASE, optimiser="nesterov", average="snapshots", snapshots=2, schedule="cosine", warmup=0.5),
    replace(BASE, optimiser="rmsprop", keep="best", evaluate_every=0.5),
    replace(BASE, optimiser="lbfgs", learning_rate=0.3),
    replace(BASE, precision="bf16", evaluate_every=0.0),
]


@pytest.mark.parametrize("config", VARIANTS, ids=lambda c: f"{c.optimiser}-{c.average}-{c.keep}-{c.precision}")
@pytest.mark.parametrize("at", [1, 3])
def test_a_killed_run_goes_on_exactly(config: FitConfig, at: int, tmp_path: Path) -> None:
    whole = Line(odd=True)
    full = fit(whole, config, seed=3)

    class Killed(Exception):
        pass

    killed = Fit(Line(odd=True), replace(config, checkpoint_minutes=1e-9), seed=3, folder=tmp_path)
    take = killed._take_step

    def until() -> None:
        if killed.step == at:
            raise Killed
        take()

    killed._take_step = until  # type: ignore[method-assign]
    with pytest.raises(Killed):
        killed.run()
    again = Line(odd=True, seed=0)
    found = fit(again, config, seed=3, folder=tmp_path)
    assert found.step == full.step
    assert found.history == full.history
    expected, got = weights(whole), weights(again)
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name], err_msg=name)


def test_the_seed_decides_and_nothing_else() -> None:
    runs = []
    for seed, global_seed in ((0, 0), (0, 5), (1, 0)):
        torch.manual_seed(global_seed)
        task = Line(odd=True)
        before = torch.get_rng_state()
        fit(task, BASE, seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        runs.append(weights(task)["4.weight"])
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_early_stopping_keeps_the_best() -> None:
    task = Line()
    scores = iter([3.0, 1.0, 2.0, 2.0, 0.5])
    kept = []

    def evaluate(split: str) -> dict[str, float]:
        kept.append(weights(task)["0.weight"])
        return {"loss": next(scores)}

    task.evaluate = evaluate  # type: ignore[method-assign]
    found = fit(task, replace(BASE, epochs=9, patience=2, keep="best"))
    assert found.stopped
    assert len(found.history) == 4
    assert np.array_equal(weights(task)["0.weight"], kept[1])


def test_snapshots_are_averaged_and_norms_see_the_batches_again() -> None:
    task = Line(odd=True)
    config = replace(BASE, average="snapshots", snapshots=2)
    seen: list[torch.Tensor] = []
    found = Fit(task, config, seed=0)
    keep = found._snapshots
    assert keep is not None
    take = keep.take

    def recorded(model: nn.Module) -> None:
        seen.append(model.state_dict()["0.weight"].clone())
        take(model)

    keep.take = recorded  # type: ignore[method-assign]
    found.run()
    assert len(seen) == 2
    torch.testing.assert_close(task.model.state_dict()["0.weight"], (seen[0] + seen[1]) / 2)
    mean = task.model.state_dict()["1.running_mean"]
    torch.testing.assert_close(mean, task.model[0](task.x).mean(0), atol=0.1, rtol=0.1)  # type: ignore[index]


def test_frozen_weights_stay_and_rates_differ() -> None:
    task = Line(odd=True)
    before = weights(task)
    fit(task, replace(BASE, freeze=("0.", "1."), rates={"4.bias": 0.0}))
    after = weights(task)
    for name in ("0.weight", "1.weight", "1.running_mean", "4.bias"):
        assert np.array_equal(before[name], after[name]), name
    assert not np.array_equal(before["4.weight"], after["4.weight"])


def test_two_players_step_in_turn() -> None:
    class Game(Line):
        """Each wants the sum of both weights elsewhere: w0 follows, w1 flees."""

        def __init__(self) -> None:
            super().__init__()
            self.model = nn.ParameterDict({"one": nn.Parameter(torch.ones(())), "two": nn.Parameter(torch.zeros(()))})

        def players(self) -> list[Player]:
            one, two = self.model["one"], self.model["two"]  # type: ignore[index]
            return [
                Player("one", {"one": one}, lambda batch, generator: ((one - two.detach()) ** 2, {})),
                Player("two", {"two": two}, lambda batch, generator: (-((one.detach() - two) ** 2), {"gap": 1.0})),
            ]

        def evaluate(self, split: str) -> dict[str, float]:
            return {}

    task = Game()
    found = fit(task, replace(BASE, epochs=1, learning_rate=0.1))
    one, two = 1.0, 0.0
    for _ in range(6):
        one -= 0.1 * 2 * (one - two)
        two -= 0.1 * 2 * (one - two)
    assert float(task.model["one"].detach()) == pytest.approx(one, rel=1e-5)  # type: ignore[index]
    assert float(task.model["two"].detach()) == pytest.approx(two, rel=1e-5)  # type: ignore[index]
    assert {"loss_one", "loss_two", "gap"} <= found.history[-1].keys()


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lower the learning rate"):
        fit(Line(), replace(BASE, learning_rate=1e9, epochs=20))
    with pytest.raises(UserError, match="no weights begin with 'trunk'"):
        fit(Line(), replace(BASE, freeze=("trunk",)))
    with pytest.raises(UserError, match="leaves nothing to train"):
        fit(Line(), replace(BASE, freeze=("0",)))
    fit(Line(), BASE, folder=tmp_path)
    with pytest.raises(UserError, match="its model is another one"):
        fit(Line(odd=True), replace(BASE, epochs=5), folder=tmp_path)
    with pytest.raises(UserError, match="batch size is another"):
        fit(Line(), replace(BASE, batch_size=4), folder=tmp_path)
    with pytest.raises(ValueError, match="warmup must be 0 or more"):
        FitConfig(warmup=-1.0)
