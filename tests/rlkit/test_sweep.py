"""`rlkit sweep`: what it understands, that it finds the better setting, and that it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neuralcore.errors import UserError
from rlkit import sweep as module
from rlkit.sweep import Dimension, parse_arguments, sweep

pytest.importorskip("envs")
optuna = pytest.importorskip("optuna")

# A table that never moves from its initial values against one that learns: nothing subtle to find.
BASE = ["q-learning", "--env", "GridWorld-v0", "--steps", "3000", "--evaluate-episodes", "20", "--num-envs", "8"]
OVER = ["--over", "learning_rate=1e-9|0.2"]


def run(*words: str) -> int:
    return sweep(parse_arguments([*BASE, *words], "rlkit sweep"))


def test_the_better_setting_is_found_and_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "sweep"
    words = [*OVER, "n_step=1..3", "--seeds", "2", "--out", str(out)]
    assert run(*words, "--trials", "6") == 0
    text = capsys.readouterr().out
    assert "trial 6 of 6" in text
    assert "learning_rate=0.2" in text.split("trial 6 of 6")[1].splitlines()[1]  # the best one of the table
    assert f"rlkit train {out}/" in text
    best = text.strip().splitlines()[-1].split()[2]
    assert Path(best).is_file()
    assert run(*words, "--trials", "7") == 0
    text = capsys.readouterr().out
    assert "going on after 6 trials" in text
    assert "trial 7 of 7" in text
    assert "trial 6 of" not in text
    with pytest.raises(UserError, match="holds a sweep with other settings"):
        run(*OVER, "--seeds", "2", "--out", str(out))


def test_none_is_a_choice_and_a_sweep_older_than_its_word_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "sweep"
    words = ["--over", "learning_rate=None|0.2", "--out", str(out)]
    assert run(*words, "--trials", "2") == 0
    assert "learning_rate=null" in capsys.readouterr().out
    path = out / "config.toml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if '"None"' not in line))
    assert run(*words, "--trials", "3") == 0
    assert "going on after 2 trials" in capsys.readouterr().out


def test_the_best_command_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "sweep"
    assert run(*OVER, "--trials", "2", "--out", str(out)) == 0
    command = capsys.readouterr().out.strip().splitlines()[-1].split()
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "rlkit.cli", *command[1:]],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "best" / "evaluation.json").read_text())["seed"] == 1000


def test_a_killed_trial_is_queued_again(tmp_path: Path):
    plan = parse_arguments([*BASE, *OVER, "--out", str(tmp_path / "sweep")], "rlkit sweep")
    plan.out.mkdir()
    with module._study(plan) as study:
        drawn = plan.over[0].draw(study.ask())  # asked, never told: as a kill leaves it
    with module._study(plan) as again:
        assert [t.state.name for t in again.trials] == ["FAIL", "WAITING"]
        assert plan.over[0].draw(again.ask()) == drawn


def test_a_failing_trial_does_not_end_the_sweep(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    real = module.training.train

    def fails(parsed):
        if parsed[1].q_learning.learning_rate == 0.2:
            raise UserError("loss became nan")
        return real(parsed)

    monkeypatch.setattr(module.training, "train", fails)
    assert run(*OVER, "--trials", "4", "--out", str(tmp_path / "sweep")) == 0
    text = capsys.readouterr().out
    assert "failed, learning_rate=0.2: loss became nan" in text
    monkeypatch.setattr(module.training, "train", lambda parsed: (_ for _ in ()).throw(UserError("no")))
    with pytest.raises(UserError, match=r"no trial of .* came to an end"):
        run(*OVER, "--trials", "2", "--out", str(tmp_path / "other"))


def test_what_can_be_searched():
    plan = parse_arguments(
        ["dqn", "--env", "CartPole-v1", "--over=learning_rate=1e-5..1e-2:log", "n-step=1..5", "hidden=[64]|[64, 64]",
         "optimizer=adam|rmsprop", "discount=0.9..0.999", "--seeds=3", "--double"],
        "rlkit sweep",
    )  # fmt: skip
    assert plan.over == (
        Dimension("learning_rate", (), 1e-5, 1e-2, True),
        Dimension("n_step", (), 1, 5, False),
        Dimension("hidden", ([64], [64, 64])),
        Dimension("optimizer", ("adam", "rmsprop")),
        Dimension("discount", (), 0.9, 0.999, False),
    )
    assert (plan.seeds, plan.trials) == (3, 20)
    assert plan.arguments.dqn.double
    assert plan.out == Path("runs/sweep-dqn-CartPole-v1")
    assert plan.config({"hidden": [64, 64]}).hidden == (64, 64)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name settings to search: --over"),
        (["--over"], "--over needs a value"),
        (["--over", "learning_rat=1..2"], "unknown setting 'learning_rat': did you mean 'learning_rate'"),
        (["--over", "learning_rate=2..1"], "a range is low..high"),
        (["--over", "learning_rate=0..1:log"], "both above 0"),
        (["--over", "learning_rate=a..b"], "a range is low..high"),
        (["--over", "learning_rate=0.5"], "give a range, as 1..5, or choices"),
        (["--over", "learning_rate=?|0.1"], "'\\?' is no value"),
        (["--over", "learning_rate=0.5..2.0"], "learning_rate must lie in"),
        ([*OVER, "--trials", "0"], "--trials is '0'"),
        ([*OVER, "--evaluate-episodes", "0"], "a sweep compares evaluations"),
        ([*OVER, "--seconds", "5"], "--run and --seconds are for one run"),
    ],
)
def test_refusals(words: list[str], message: str):
    with pytest.raises(UserError, match=message):
        parse_arguments([*BASE, *words], "rlkit sweep")


def test_help(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse_arguments(["--help"], "rlkit sweep")
    assert "--over name=low..high" in capsys.readouterr().out
