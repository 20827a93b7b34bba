"""Our agents learn in environments that others wrote, named on the command line as docs/commands.md has it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import agents
from rlkit.cli import main
from rlkit.environments import make_env

ROOMS = """
import gymnasium
import minigrid
from minigrid.wrappers import ImgObsWrapper


def empty_room(size=5, render_mode=None):
    return ImgObsWrapper(gymnasium.make(f"MiniGrid-Empty-{size}x{size}-v0", render_mode=render_mode))
"""
BREAKOUT = ("minatar.gym:BaseEnv", ("game=breakout", "use_minimal_action_set=true"))
ROOM = ("rooms:empty_room", ("size=6",))
ALGORITHMS = {
    "dqn": ("--num-envs", "2", "--learning-starts", "100", "--replay-capacity", "1000", "--hidden", "32"),
    "a2c": ("--hidden", "32"),
    "ppo": ("--n-step", "16", "--minibatch", "64", "--hidden", "32"),
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # theirs


def train(algorithm: str, env: str, env_args: tuple[str, ...]) -> Path:
    words = ["train", algorithm, "--env", env, "--env-args", *env_args, "--steps", "300", "--run", "run"]
    assert main([*words, "--evaluate-episodes", "1", *ALGORITHMS[algorithm]]) == 0
    return Path("run/agent")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_minatar(here: Path, algorithm: str) -> None:
    pytest.importorskip("minatar", reason="needs MinAtar (extra foreign)")
    agent = agents.load(train(algorithm, *BREAKOUT))
    assert agent.observation_space.shape == (10, 10, 4)
    assert agent.observation_space.dtype == bool
    observation, _ = make_env(BREAKOUT[0], game="breakout", use_minimal_action_set=True).reset(seed=0)
    assert agent.action_space.contains(agent.act(np.asarray(observation), deterministic=True))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_minigrid(here: Path, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("minigrid", reason="needs minigrid (extra foreign)")
    Path("rooms.py").write_text(ROOMS)
    monkeypatch.syspath_prepend(here)
    monkeypatch.delitem(sys.modules, "rooms", raising=False)
    agent = agents.load(train(algorithm, *ROOM))
    assert agent.observation_space.shape == (7, 7, 3)
    assert int(agent.action_space.n) == 7


def test_observations_that_are_dictionaries_are_answered_with_the_way_out(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("minigrid", reason="needs minigrid (extra foreign)")
    assert main(["train", "dqn", "--env", "minigrid:MiniGrid-Empty-5x5-v0"]) == 2
    assert "--env MODULE:FUNCTION" in capsys.readouterr().err
    assert not Path("runs").exists()
