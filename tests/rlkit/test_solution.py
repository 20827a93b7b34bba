"""A solution as a person sees it: drawn in a terminal, as a picture, summed up, kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import agents
from neuralcore.errors import UserError
from rlkit import MDP, finite_horizon, policy_iteration, solve, value_iteration

envs = pytest.importorskip("envs")


def russell_norvig() -> gym.Env:
    """The 4 x 3 world of figure 17.1."""
    return gym.make("GridWorld-v0", layout="russell_norvig", slip=0.2, living_reward=-0.04)


DRAWING = """\
┌─────────┬─────────┬─────────┬─────────┐
│ 0.812 → │ 0.868 → │ 0.918 → │ (+0.96) │
├─────────┼─────────┼─────────┼─────────┤
│ 0.762 ↑ │█████████│ 0.660 ↑ │ (-1.04) │
├─────────┼─────────┼─────────┼─────────┤
│ 0.705 ↑ │ 0.655 ← │ 0.611 ← │ 0.388 ← │
└─────────┴─────────┴─────────┴─────────┘
(r) an end of the episode, entered for the reward r"""


def test_drawing_in_a_terminal():
    solution = policy_iteration(russell_norvig(), discount=1)
    assert solution.text() == DRAWING
    assert str(solution) == f"{DRAWING}\n{solution.summary()}"
    assert solution.text(width=40).startswith("┌───────┬")
    assert solution.text(width=12).splitlines()[:3] == ["→ → → ●", "↑ █ ↑ ●", "↑ ← ← ←"]
    assert solution.text(width=6) == "(a grid of 3 × 4 cells is too wide for 6 columns: plot it to a file)"


def test_drawing_without_a_grid():
    text = value_iteration(MDP.random(20, 2, 2, 0)).text()
    assert text.splitlines()[0].split() == ["state", "value", "action"]
    assert len(text.splitlines()) == 18
    assert text.endswith("and 4 more states")


def test_summary_lines():
    lines = value_iteration(russell_norvig(), discount=0.9).summary().splitlines()
    assert lines[0].startswith("value iteration, discount 0.9: ")
    assert lines[1].endswith("(tolerance 1e-06)")
    assert "of the optimal ones" in lines[2]
    assert "without a bound" in value_iteration(russell_norvig(), discount=1).summary()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_plots(tmp_path: Path, suffix: str):
    pytest.importorskip("matplotlib")
    for number, source in enumerate((russell_norvig(), MDP.random(30, 12, 2, 0))):
        path = value_iteration(source).plot(tmp_path / f"{number}{suffix}")
        assert path.stat().st_size > 10_000
        assert path.read_bytes()[:4] == (b"\x89PNG" if suffix == ".png" else b"<?xm")


def test_plots_of_large_grids_and_other_symbols(tmp_path: Path):
    pytest.importorskip("matplotlib")
    for size in (20, 60):  # arrows without numbers; neither
        env = gym.make("GridWorld-v0", layout=envs.random_layout(size, size, 0.2, seed=0))
        assert value_iteration(env).plot(tmp_path / f"{size}.png").stat().st_size > 10_000
    model = dataclasses.replace(russell_norvig().unwrapped.model, action_symbols=("N", "E", "S", "W"))
    assert value_iteration(model).plot(tmp_path / "letters.png").stat().st_size > 5_000


def test_plot_paths_are_checked(tmp_path: Path):
    solution = value_iteration(russell_norvig())
    with pytest.raises(UserError, match="the name must end in"):
        solution.plot(tmp_path / "plan.gif")
    with pytest.raises(UserError, match="there is no folder"):
        solution.plot(tmp_path / "missing" / "plan.png")


def test_saving(tmp_path: Path):
    from neuralcore.checkpoint import read_arrays

    solution = policy_iteration(russell_norvig())
    folder = solution.save(tmp_path / "plan")
    certificate = json.loads((folder / "solution.json").read_text())
    assert certificate["bound"] == solution.bound
    arrays = read_arrays(folder / "solution.safetensors", certificate["arrays_sha256"])
    for name in ("values", "q", "policy"):
        np.testing.assert_array_equal(arrays[name], getattr(solution, name))
    assert agents.load(folder).act(np.arange(11)).tolist() == solution.policy.tolist()


def test_a_horizon_is_drawn_and_kept(tmp_path: Path):
    pytest.importorskip("matplotlib")
    found = finite_horizon(russell_norvig(), 6)
    assert found.text().startswith("┌──")
    assert "finite horizon of 6 decisions, discount 1" in str(found)
    assert found.plot(tmp_path / "six.png").stat().st_size > 5_000
    from neuralcore.checkpoint import read_arrays

    folder = found.save(tmp_path / "six")
    kept = json.loads((folder / "solution.json").read_text())
    arrays = read_arrays(folder / "solution.safetensors", kept["arrays_sha256"])
    assert arrays["values"].shape == (7, 11)
    np.testing.assert_array_equal(arrays["policy"], found.policy)


def test_the_reason_is_told_and_kept(tmp_path: Path):
    found = solve(russell_norvig())
    assert "chosen because 11 states are few enough" in found.summary()
    assert json.loads((found.save(tmp_path / "plan") / "solution.json").read_text())["reason"] == found.reason
