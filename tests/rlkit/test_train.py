"""The `rlkit` command line as a person uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlkit.cli import main

PRESET = """
algorithm = "dqn"
env = "CartPole-v1"
steps = 1_200
checkpoint_every = 400
evaluate_episodes = 2
[dqn]
num_envs = 4
hidden = [16]
replay_capacity = 2_000
learning_starts = 100
train_every = 4
batch_size = 16
optimizer = "adam"
"""


@pytest.fixture
def rlkit(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """The command line in this process: (stdout, stderr), its exit code checked."""

    def run(*words: str, code: int = 0) -> tuple[str, str]:
        capfd.readouterr()
        found = main(list(words))
        out, err = capfd.readouterr()
        assert found == code, out + err
        return out, err

    return run


@pytest.fixture
def preset(here: Path) -> Path:
    (here / "p.toml").write_text(PRESET)
    return here


def test_train_evaluate_and_go_on(preset: Path, rlkit: Callable) -> None:
    out, err = rlkit("train", "p.toml", "--run", "r", "--steps", "800")
    assert "mean return of 2 greedy episodes" in out
    for line in err.splitlines():
        json.loads(line)  # piped progress is JSON lines
    assert {p.name for p in Path("r").iterdir()} >= {
        "agent",
        "card.md",
        "config.toml",
        "checkpoints",
        "metrics.jsonl",
    }
    out, err = rlkit("train", "r/config.toml", "--steps", "1_200")  # a run's own settings are a command
    assert "going on from step 80" in out
    assert json.loads(Path("r/evaluation.json").read_text())["steps"] >= 1_200
    assert "CartPole-v1: mean return" in rlkit("evaluate", "r", "--episodes", "2")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "dqm"], "did you mean 'dqn'"),
        (["train", "p.toml", "--env", "CartPol-v1"], "CartPole-v1"),
        (["train", "dqn"], "--env CartPole-v1"),
        (["train", "dqn", "--env", "CartPole-v1", "--num-envs", "0"], "num_envs must be 1 or more"),
        (["train", "p.toml", "--device", "cuda:99"], "cuda:99"),
        (["train", "q.toml"], "no configuration file q.toml"),
        (["train", "p.toml", "--env", "Pendulum-v1"], "Discrete actions"),
        (["train", "p.toml", "--step-timeout", "-1"], "step_timeout must be 0 (wait for ever) or more, got -1"),
        (["evaluate", "nowhere"], "holds no agent"),
        (["evalute", "r"], "did you mean 'evaluate'"),
        (["train", "p.toml", "--env-args", "slip"], "slip"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_disk(
    preset: Path, rlkit: Callable, words: list[str], message: str
) -> None:
    _out, err = rlkit(*words, code=2)
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert [p.name for p in preset.iterdir()] == ["p.toml"]


def test_other_settings_on_the_same_run_are_refused(preset: Path, rlkit: Callable) -> None:
    rlkit("train", "p.toml", "--run", "r", "--steps", "500")
    _out, err = rlkit("train", "p.toml", "--run", "r", "--seed", "1", code=2)
    assert "seed = 0, not 1" in err


def test_the_preset_for_an_environment_is_named(here: Path, rlkit: Callable) -> None:
    out, _err = rlkit("train", "dqn", "--env", "CartPole-v1", "--steps", "100", "--evaluate-episodes", "0")
    assert "configs/rl/cartpole_dqn.toml" in out


def test_help_is_answered_without_torch() -> None:
    code = (
        "import sys\nfrom rlkit.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'gymnasium' not in sys.modules, 'heavy import'"
    )
    for words in (
        ["--help"],
        ["train", "--help"],
        ["train", "dqn", "--help"],
        ["evaluate", "--help"],
        ["solve", "--help"],
    ):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "usage: rlkit" in done.stdout


@pytest.mark.faults
def test_kill_9_and_the_same_command_gives_the_same_bytes(preset: Path, finish_despite_kills: Callable) -> None:
    command = [sys.executable, "-m", "rlkit.cli", "train", "p.toml", "--steps", "6_000", "--run"]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    for name in ("agent/weights.safetensors", "metrics.jsonl"):
        assert (Path("whole") / name).read_bytes() == (Path("killed") / name).read_bytes(), name
