"""Schedules and groups: closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from neuralcore.fitting.averaging import MovingAverage
from neuralcore.fitting.config import FitConfig
from neuralcore.fitting.optimisers import make_optimiser, rate_at, set_rate
from neuralcore.fitting.plain import put_together, taken_apart

BASE = FitConfig(epochs=20, learning_rate=0.8, decay=0.5, decay_epochs=4.0)


def test_schedules_are_what_they_say() -> None:
    def at(epoch: float, **changes: object) -> float:
        return rate_at(epoch, replace(BASE, **changes))  # type: ignore[arg-type]

    assert at(13.0) == 0.8
    assert [at(e, schedule="step") for e in (3.99, 4.0, 8.5)] == pytest.approx([0.8, 0.4, 0.2])
    assert at(2.0, schedule="exponential") == pytest.approx(0.8 * math.sqrt(0.5))
    assert at(4.0, schedule="inverse_time") == pytest.approx(0.4)
    assert at(12.0, schedule="inverse_sqrt") == pytest.approx(0.4)
    assert [at(e, schedule="linear", final=0.5) for e in (0, 10, 20)] == pytest.approx([0.8, 0.6, 0.4])
    assert [at(e, schedule="cosine") for e in (0, 10, 20)] == pytest.approx([0.8, 0.4, 0.0])
    assert [at(e, schedule="cosine", warmup=2.0) for e in (0, 1, 2, 11)] == pytest.approx(
        [0.0, 0.4, 0.8, 0.4]
    )  # the first: warming up, before anything falls


def test_groups_by_decay_and_rate() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    config = replace(
        BASE, optimiser="momentum", weight_decay=0.1, rates={"0": 0.1, "*.bias": 0.0, "1.b": 3.0, "1.bias": 1.0}
    )
    optimiser = make_optimiser(dict(model.named_parameters()), config)
    set_rate(optimiser, 0.5)
    found = {
        (g["weight_decay"], g["factor"], g["lr"]): [tuple(p.shape) for p in g["params"]]
        for g in optimiser.param_groups
    }
    assert found == {
        (0.1, 0.1, 0.05): [(4, 3)],
        (0.0, 0.0, 0.0): [(4,)],
        (0.1, 1.0, 0.5): [(2, 4)],
        (0.0, 1.0, 0.5): [(2,)],
    }


def test_adam_takes_its_betas() -> None:
    config = replace(BASE, optimiser="adam", betas=(0.0, 0.0))
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimiser = make_optimiser({"weight": weight}, config)
    set_rate(optimiser, 0.5)
    for gradient in ((3.0, -2.0), (-7.0, 1.0), (4.0, 1.0)):
        weight.grad = torch.tensor(gradient)
        optimiser.step()
    # without memory a step is the rate times the gradient's sign
    torch.testing.assert_close(weight.data, torch.tensor([0.5, 1.5]))
    with pytest.raises(ValueError, match="betas must be from 0"):
        replace(BASE, betas=(0.5, 1.0))


def test_the_moving_average_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    average = MovingAverage(model, 0.5)
    expected = 1.0
    for step, value in enumerate((2.0, 5.0, -1.0, 0.0, 3.0), 1):
        model.weight.data.fill_(value)
        average.take(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert float(average.state["weight"]) == pytest.approx(expected)


def test_an_optimisers_state_comes_back() -> None:
    state = {
        "state": {0: {"step": torch.tensor(3.0), "old": [torch.ones(2), torch.zeros(1)], "al": [None]}},
        "x": (1, "a", True),
    }
    arrays: dict = {}
    again = put_together(taken_apart(state, arrays), arrays)
    assert len(arrays) == 3
    assert again["x"] == [1, "a", True]
    assert again["state"][0]["al"] == [None]
    assert torch.equal(again["state"][0]["old"][0], torch.ones(2))
    assert float(again["state"][0]["step"]) == 3.0
    with pytest.raises(TypeError, match="which no file"):
        taken_apart({"f": len}, {})
