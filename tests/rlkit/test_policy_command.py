"""A2C, PPO and REINFORCE on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlkit import A2CConfig, PPOConfig, REINFORCEConfig
from rlkit.cli import main

CONFIGS = {"a2c": A2CConfig, "ppo": PPOConfig, "reinforce": REINFORCEConfig}


@pytest.fixture
def rlkit(here: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """The command line in this process, in an empty folder: (stdout, stderr), its exit code checked."""

    def run(*words: str, code: int = 0) -> tuple[str, str]:
        capfd.readouterr()
        found = main(list(words))
        out, err = capfd.readouterr()
        assert found == code, out + err
        return out, err

    return run


@pytest.mark.parametrize("name", CONFIGS)
def test_train_evaluate_and_go_on(name: str, rlkit: Callable) -> None:
    words = "--checkpoint-every", "500", "--run", "r", "--evaluate-episodes", "2"
    out, err = rlkit("train", f"configs/rl/cartpole_{name}.toml", "--steps", "1_000", *words)
    assert "mean return of 2 greedy episodes" in out
    for line in err.splitlines():
        json.loads(line)
    rows = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    figures = {"loss", "policy_loss", "value_loss", "entropy", "gradient_norm", "learning_rate", "return", "episodes"}
    assert rows[-1].keys() >= figures
    out, err = rlkit("train", "r/config.toml", "--steps", "3_000")
    assert "going on from step" in out
    assert json.loads(Path("r/evaluation.json").read_text())["steps"] >= 3_000
    assert "CartPole-v1: mean return" in rlkit("evaluate", "r", "--episodes", "2")[0]


def test_a_run_older_than_some_fields_goes_on(rlkit: Callable) -> None:
    """And one from before None had a word in TOML, whose file left out what was None."""
    words = "--env", "CartPole-v1", "--hidden", "8", "--run", "r", "--evaluate-episodes", "0", "--steps"
    rlkit("train", "a2c", *words, "100", "--max-gradient-norm", "None")
    path = Path("r/config.toml")
    written = path.read_text()
    assert 'max_gradient_norm = "None"' in written
    rlkit("train", "r/config.toml", "--steps", "200")  # None is gone on with
    assert path.read_text() == written.replace("100", "200", 1)
    old = "\n".join(line for line in written.splitlines() if '"None"' not in line and "trace" not in line)
    path.write_text(old)
    out, err = rlkit("train", "a2c", *words, "300", "--max-gradient-norm", "None")
    assert "going on from step" in out
    assert "does not name a2c.trace, which is newer than it or was None: going on with 1.0" in err
    assert path.read_text() == written.replace("100", "300", 1)
    # The file alone says less: its command takes the default, aloud.
    path.write_text(old)
    out, err = rlkit("train", "r/config.toml", "--steps", "400")
    assert "going on from step" in out
    assert "does not name a2c.max_gradient_norm, which is newer than it or was None: going on with 0.5" in err
    path.write_text(old)
    _out, err = rlkit("train", "a2c", *words, "500", "--max-gradient-norm", "0.1", code=2)
    assert "holds a run with a2c.max_gradient_norm = 0.5, not 0.1" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a2c", "--env", "CartPole-v1", "--clip", "0.1"], "unknown flag --clip"),
        (["ppo", "--env", "CartPole-v1", "--minibatch", "9_999"], "minibatch 9999 is more than a segment has"),
        (["reinforc", "--env", "CartPole-v1"], "did you mean 'reinforce'"),
        (["reinforce", "--env", "CartPole-v1", "--network", "nature"], "needs image observations"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_disk(rlkit: Callable, words: list[str], message: str) -> None:
    _out, err = rlkit("train", *words, code=2)
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path().iterdir())


@pytest.mark.parametrize("preset", ["cartpole_a2c", "cartpole_ppo", "cartpole_reinforce", "pong_a2c"])
def test_presets_are_read(preset: str) -> None:
    config = CONFIGS[preset.split("_")[1]]
    assert config.preset(f"configs/rl/{preset}.toml") != config()


def test_a_policy_on_a_grid_has_an_exact_value(rlkit: Callable) -> None:
    words = "--env", "GridWorld-v0", "--env-args", "layout=open_5x5", "observation=index", "--hidden", "16"
    rlkit("train", "a2c", *words, "--steps", "500", "--run", "r", "--evaluate-episodes", "1")
    assert "exact" in rlkit("evaluate", "r", "--episodes", "0")[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_help_is_answered_without_torch(name: str) -> None:
    code = (
        "import sys\nfrom rlkit.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules, 'heavy import'"
    )
    command = [sys.executable, "-c", code, "train", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"usage: rlkit train {name}" in done.stdout


@pytest.mark.faults
@pytest.mark.parametrize("name", CONFIGS)
def test_kill_9_and_the_same_command_gives_the_same_bytes(
    name: str, here: Path, finish_despite_kills: Callable
) -> None:
    words = "--steps", "12_000", "--checkpoint-every", "2_000", "--evaluate-episodes", "2", "--run"
    command = [sys.executable, "-m", "rlkit.cli", "train", f"configs/rl/cartpole_{name}.toml", *words]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    for file in ("agent/weights.safetensors", "metrics.jsonl"):
        assert (Path("whole") / file).read_bytes() == (Path("killed") / file).read_bytes(), file


@pytest.mark.parametrize("name", ["a2c", "ppo"])
def test_recurrent_agents_on_the_command_line(name: str, rlkit: Callable) -> None:
    core = "--core", "lstm", "--core-width", "8", "--hidden", "16"
    words = "--env", "GridWorld-v0", "--env-args", "layout=open_5x5", "--steps", "500", "--evaluate-episodes", "1"
    rlkit("train", name, *words, *core, "--run", "r")
    assert 'core = "lstm"' in Path("r/config.toml").read_text()
    assert json.loads(Path("r/agent/agent.json").read_text())["architecture"]["core"] == {"kind": "lstm", "width": 8}
    played = rlkit("evaluate", "r", "--episodes", "2")[0]
    assert "mean return" in played
    assert "exact" not in played
    assert "a recurrent agent has none" in rlkit("evaluate", "r", "--discount", "0.9", code=2)[1]
    assert "│ r " in rlkit("compare", "r")[0]
    pytest.importorskip("imageio_ffmpeg")
    assert "one episode" in rlkit("watch", "r", "--max-steps", "5")[0]


def test_reinforce_and_dqn_have_no_core(rlkit: Callable) -> None:
    for name in ("reinforce", "dqn"):
        assert "unknown flag --core" in rlkit("train", name, "--env", "CartPole-v1", "--core", "lstm", code=2)[1]
