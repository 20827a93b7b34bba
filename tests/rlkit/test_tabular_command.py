"""The tabular algorithms on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlkit.cli import main
from rlkit.tabular_config import TDConfig


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


@pytest.mark.parametrize("name", ["q-learning", "sarsa", "expected-sarsa", "monte-carlo"])
def test_train_evaluate_and_go_on(name: str, rlkit: Callable) -> None:
    words = "--env-args", "layout=open_5x5", "--num-envs", "4", "--run", "r", "--evaluate-episodes", "2"
    out, err = rlkit("train", name, "--env", "GridWorld-v0", "--steps", "3_000", *words)
    assert "mean return of 2 greedy episodes" in out
    for line in err.splitlines():
        json.loads(line)
    assert f'algorithm = "{name}"' in Path("r/config.toml").read_text()
    rows = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    assert rows[-1].keys() >= {"td_error", "q", "epsilon", "return", "length", "episodes"}
    out, err = rlkit("train", "r/config.toml", "--steps", "6_000")
    assert "going on from step 3,0" in out
    assert json.loads(Path("r/evaluation.json").read_text())["steps"] >= 6_000
    assert "GridWorld-v0: mean return" in rlkit("evaluate", "r", "--episodes", "2")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sarsa", "--env", "GridWorld-v0", "--target", "q-learning"], "unknown flag --target"),
        (["sarsa", "--env", "GridWorld-v0", "--device", "cuda"], "unknown flag --device"),
        (["monte-carlo", "--env", "GridWorld-v0", "--n-step", "3"], "unknown flag --n-step"),
        (["q-learnin", "--env", "GridWorld-v0"], "did you mean 'q-learning'"),
        (["q-learning", "--env", "CartPole-v1"], "needs Discrete observations"),
        (["q-learning", "--env", "GridWorld-v0", "--discount", "2"], "discount must lie in [0, 1], got 2.0"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_disk(rlkit: Callable, words: list[str], message: str) -> None:
    _out, err = rlkit("train", *words, code=2)
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path().iterdir())


@pytest.mark.parametrize("preset", ["gridworld_q_learning", "cliff_sarsa"])
def test_presets(preset: str, rlkit: Callable) -> None:
    rlkit("train", f"configs/rl/{preset}.toml", "--steps", "2_000", "--run", "r", "--evaluate-episodes", "1")
    config = TDConfig.preset(f"configs/rl/{preset}.toml")
    assert config.discount == 1.0
    assert config != TDConfig()


def test_the_preset_for_an_environment_is_named(rlkit: Callable) -> None:
    words = "--env", "GridWorld-v0", "--steps", "100", "--evaluate-episodes", "0"
    assert "configs/rl/gridworld_q_learning.toml" in rlkit("train", "q-learning", *words)[0]
    assert "configs/" not in rlkit("train", "sarsa", *words)[0]


@pytest.mark.parametrize("algorithm", ["q-learning", "monte-carlo"])
def test_help_is_answered_without_numpy(algorithm: str) -> None:
    code = (
        "import sys\nfrom rlkit.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules, 'heavy import'"
    )
    command = [sys.executable, "-c", code, "train", algorithm, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"usage: rlkit train {algorithm}" in done.stdout


@pytest.mark.faults
def test_kill_9_and_the_same_command_gives_the_same_bytes(here: Path, finish_despite_kills: Callable) -> None:
    words = "--env", "GridWorld-v0", "--steps", "60_000", "--checkpoint-every", "5_000", "--n-step", "3", "--run"
    command = [sys.executable, "-m", "rlkit.cli", "train", "sarsa", *words]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    for name in ("agent/weights.safetensors", "metrics.jsonl"):
        assert (Path("whole") / name).read_bytes() == (Path("killed") / name).read_bytes(), name
