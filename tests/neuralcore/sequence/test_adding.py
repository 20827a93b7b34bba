"""The adding problem, and how gradients go through its steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore.config import from_mapping, preset_folder, read_toml
from neuralcore.fitting import FitConfig, fit
from neuralcore.sequence.adding import Adder, sequences
from neuralcore.sequence.adding_config import AddingConfig
from neuralcore.sequence.gradient_picture import gradient_norms
from neuralcore.sequence.recurrent import GATES, make_recurrent, parameter_count

SMALL = AddingConfig(length=4, model="gru", width=12, examples=640, fit=FitConfig(batch_size=32, learning_rate=0.02))


def test_answers_are_sums_of_the_two_that_are_marked() -> None:
    inputs, wanted = sequences(2_000, 7, torch.Generator().manual_seed(0))
    numbers, marks = inputs.unbind(2)
    assert set(marks.unique().tolist()) == {0.0, 1.0}
    assert (marks.sum(1) == 2).all()
    torch.testing.assert_close(torch.stack([n[m > 0].sum() for n, m in zip(numbers, marks)]), wanted)
    assert marks.mean(0).sub(2 / 7).abs().max() < 0.04  # anywhere
    assert abs(float((wanted - 1.0).square().mean()) - 1 / 6) < 0.01  # who says 1 always


def test_it_learns_short_ones_and_the_same_seed_gives_the_same_bytes() -> None:
    runs = []
    for seed in (0, 0, 1):
        task = SMALL.build(seed)
        fit(task, FitConfig(epochs=12, batch_size=32, learning_rate=0.02, evaluate_every=0), seed=seed)
        runs.append(task)
    one, again, other = ([p.detach().numpy().tobytes() for p in task.model.parameters()] for task in runs)
    assert one == again != other
    found = runs[0].evaluate("test")
    assert found["mse"] < 0.03
    assert 0.4 < found["near"] <= 1.0


def test_parameter_count() -> None:
    for name in GATES:
        model = Adder(name, 9, 2)
        assert sum(p.numel() for p in model.parameters()) == parameter_count(name, 2, 9, 2) + 10


@pytest.mark.parametrize("path", sorted((preset_folder() / "sequence").glob("adding_*.toml")), ids=lambda p: p.stem)
def test_presets_have_the_length_that_tells_them_apart(path: Path) -> None:
    values = read_toml(path)
    assert values.pop("task") == "adding"
    config = from_mapping(AddingConfig, values, path)
    assert config.length == 100
    assert path.stem == f"adding_{config.model}"


def test_bad_settings_are_told() -> None:
    with pytest.raises(ValueError, match="length must be 2 or more"):
        AddingConfig(length=1)
    with pytest.raises(ValueError, match="examples must be 1 or more"):
        AddingConfig(examples=0)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    task = SMALL.build(0)
    with torch.no_grad():
        task.draw(tmp_path)
    assert (tmp_path / "gradients.png").stat().st_size > 5_000


def test_a_gradient_shrinks_by_the_factor_of_a_step() -> None:
    core = make_recurrent("irnn", 1, 3)
    with torch.no_grad():
        core.unrolled.weight_hh_l0.mul_(0.5)
        core.unrolled.weight_ih_l0.fill_(1.0)
    norms = gradient_norms(core, torch.ones(2, 5, 1), lambda outputs: outputs[:, -1].sum())
    np.testing.assert_allclose(norms, 3**0.5 * 0.5 ** np.arange(4, -1, -1), rtol=1e-6)
    each = gradient_norms(core, torch.ones(2, 2, 1), lambda outputs: outputs.sum())
    np.testing.assert_allclose(each, 3**0.5 * np.array([1.5, 1.0]), rtol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_norms_are_those_of_moving_the_state(name: str) -> None:
    core = make_recurrent(name, 2, 3, 2).double()
    inputs = torch.randn(1, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    norms = gradient_norms(core, inputs, lambda outputs: outputs[:, -1].square().sum())
    with torch.no_grad():
        _, state = core(inputs[:, :2])
        squares = 0.0
        for part in range(len(state)):
            for at in range(state[part].numel()):
                moved = []
                for by in (-1e-6, 1e-6):
                    there = [p.clone() for p in state]
                    there[part].view(-1)[at] += by
                    moved.append(core(inputs[:, 2:], tuple(there))[0][:, -1].square().sum())
                squares += float((moved[1] - moved[0]) / 2e-6) ** 2
    np.testing.assert_allclose(norms[1], squares**0.5, rtol=1e-5)


def test_norms_are_of_one_direction() -> None:
    core = make_recurrent("gru", 2, 3, bidirectional=True)
    with pytest.raises(ValueError, match="of one direction"):
        gradient_norms(core, torch.ones(1, 2, 2), lambda outputs: outputs.sum())
