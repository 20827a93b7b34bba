"""The command `rlkit solve`, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import agents
from neuralcore.config import parse
from neuralcore.errors import UserError
from rlkit import solve_command as module
from rlkit.environments import parse_env_args
from rlkit.solve_command import SolveArguments, solve

pytest.importorskip("envs")


def run(*words: str) -> int:
    return solve(parse(SolveArguments, words, prog="rlkit solve"))


@pytest.mark.parametrize("method", ["value-iteration", "policy-iteration", "q-iteration"])
def test_prints_the_drawing_and_the_certificate(method: str, capsys: pytest.CaptureFixture[str]):
    assert run("GridWorld-v0", "--method", method, "--discount", "1") == 0
    out = capsys.readouterr().out
    assert "GridWorld-v0: 11 states, 4 actions" in out
    assert "│ 0.812 → │ 0.868 → │ 0.918 → │ (+0.96) │" in out
    assert f"{method.replace('-', ' ').replace('q i', 'Q i')}, discount 1: " in out
    assert "Bellman residual" in out


def test_environment_arguments(capsys: pytest.CaptureFixture[str]):
    run("GridWorld-v0", "--env-args", "slip=0.0", "living_reward=0", "layout=sutton_barto_4x4", "--discount", "0.5")
    assert "GridWorld-v0: 16 states" in capsys.readouterr().out
    run("FrozenLake-v1", "--env-args", "map_name=8x8", "is_slippery=False", "--discount", "1")
    out = capsys.readouterr().out
    assert "64 states" in out
    assert "expected return from the start 1\n" in out
    run("GridWorld-v0", "--env-args", "terminal_rewards={'+' = 5.0}", "slip=0", "--discount", "1")
    assert "(+4.96)" in capsys.readouterr().out


def test_values_are_toml_and_bare_words_are_strings():
    words = ("a=1", "b=0.5", "c=true", "d=False", "e=8x8", 'f="8"', "g=[1, 2]", "h=a=b")
    assert parse_env_args(words) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": False,
        "e": "8x8",
        "f": "8",
        "g": [1, 2],
        "h": "a=b",
    }


def test_early_stop_is_told(capsys: pytest.CaptureFixture[str]):
    assert run("GridWorld-v0", "--max-iterations", "2") == 1
    assert "NOT reached, stopped by max_iterations" in capsys.readouterr().out
    assert run("GridWorld-v0", "--max-iterations", "2", "--tolerance", "1") == 0


def test_plot_and_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("matplotlib")
    assert run("GridWorld-v0", "--plot", str(tmp_path / "plan.png"), "--out", str(tmp_path / "plan")) == 0
    assert (tmp_path / "plan.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "plan" / "solution.json").read_text())["converged"]
    assert agents.load(tmp_path / "plan").act(0) == 1
    assert str(tmp_path / "plan.png") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("GridWrold-v0",), "unknown environment 'GridWrold-v0': did you mean 'GridWorld-v0'?"),
        (("nowhere_at_all:World-v0",), "nowhere_at_all"),
        (("CartPole-v1",), "CartPoleEnv has no model to plan with"),
        (("GridWorld-v0", "--env-args", "slipp=0.1"), "'slipp': did you mean 'slip'?"),
        (("GridWorld-v0", "--env-args", "slip=7"), "slip"),
        (("GridWorld-v0", "--env-args", "layout=nowhere"), "layout"),
        (("FrozenLake-v1", "--env-args", "map_name=9x9"), "9x9"),
        (("GridWorld-v0", "--env-args", "slip"), "'slip' is not name=value"),
        (("GridWorld-v0", "--env-args", "slip=0", "slip=1"), "gives slip twice"),
        (("GridWorld-v0", "--tolerance", "-1"), "tolerance is -1.0: it must be positive"),
        (("GridWorld-v0", "--discount", "1.5"), "discount is 1.5: it must lie in"),
        (("GridWorld-v0", "--max-iterations", "0"), "max_iterations is 0"),
        (("GridWorld-v0", "--plot", "plan.gif"), "must end in .png"),
        (("GridWorld-v0", "--plot", "nowhere/plan.png"), "there is no folder nowhere"),
        (("GridWorld-v0", "--out", "file"), "file is a file"),
        (("GridWorld-v0", "--method", "magic"), "magic"),
    ],
)
def test_mistakes(words: tuple[str, ...], message: str, here: Path):
    (here / "file").write_text("")
    with pytest.raises(UserError) as caught:
        run(*words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [p.name for p in here.iterdir()] == ["file"]


def test_help_is_quick_to_load():
    code = (
        "import sys, rlkit.solve_command; "
        "assert not {'numpy', 'gymnasium', 'torch', 'numba', 'scipy', 'envs'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(module.__file__).parents[1])


def test_the_method_is_chosen_and_said(capsys: pytest.CaptureFixture[str]):
    run("GridWorld-v0")
    assert "chosen because 11 states are few enough" in capsys.readouterr().out
    run("GridWorld-v0", "--env-args", "layout=open_20x20", "--method", "prioritised")
    out = capsys.readouterr().out
    assert "prioritised value iteration, discount 0.99" in out
    assert "chosen" not in out


def test_a_model_is_kept_and_solved_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run("GridWorld-v0", "--discount", "0.9", "--save-model", str(tmp_path / "model"))
    first = capsys.readouterr().out
    assert run(str(tmp_path / "model"), "--discount", "0.9") == 0
    again = capsys.readouterr().out
    assert first.splitlines()[1:9] == again.splitlines()[1:9]
    with pytest.raises(UserError, match="--env-args are for environments"):
        run(str(tmp_path / "model"), "--env-args", "slip=0")
    table = tmp_path / "table.csv"
    table.write_text("state,action,successor,probability,reward\nup,go,down,1,2\ndown,go,up,1,0\n")
    assert run(str(table), "--discount", "0.5") == 0
    out = capsys.readouterr().out
    assert "2 states, 1 actions" in out
    assert out.splitlines()[2].split() == ["up", "2.667", "go"]
    with pytest.raises(UserError, match="--save-model takes a folder"):
        run(str(table), "--save-model", str(table))


def test_horizon(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("FrozenLake-v1", "--horizon", "7", "--discount", "1", "--out", str(tmp_path / "out")) == 0
    assert "finite horizon of 7 decisions" in capsys.readouterr().out
    kept = json.loads((tmp_path / "out" / "solution.json").read_text())
    assert kept["horizon"] == 7
    for flags in (("--method", "prioritised"), ("--tolerance", "1e-3"), ("--max-iterations", "5")):
        with pytest.raises(UserError, match=f"{flags[0]} does not go with --horizon"):
            run("FrozenLake-v1", "--horizon", "7", *flags)
    with pytest.raises(UserError, match="horizon is -1"):
        run("FrozenLake-v1", "--horizon", "-1")


def test_long_planning_shows_its_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    clock = iter(range(0, 10**6, 60))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    run("FrozenLake-v1", "--method", "value-iteration")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0]["run"] == "solve FrozenLake-v1"
    assert lines[0]["residual"] > lines[-1]["residual"]
    assert lines[-1]["%"] == 100
    assert "eta_seconds" in lines[0]
