from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import agents
from neuralcore.errors import UserError
from rlkit.compare import CompareArguments, compare
from rlkit.environments import make_env
from rlkit.evaluation import evaluate
from rlkit.inspect_runs import EvaluateArguments, WatchArguments, watch
from rlkit.inspect_runs import evaluate as evaluate_command
from rlkit.statistics import bootstrap_interval
from rlkit.video import record_video


def cartpole_agent() -> agents.RandomAgent:
    env = gym.make("CartPole-v1")
    return agents.RandomAgent(env.observation_space, env.action_space, seed=1)


class Lengths(gym.Env):
    """Episodes whose length is drawn from 1 or 40: the mean must not lean to the short ones."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.choice([1, 40]))
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(1, np.float32), 1.0, self.left == 0, False, {}


def test_each_environment_plays_its_quota() -> None:
    agent = agents.RandomAgent(Lengths.observation_space, Lengths.action_space)
    result = evaluate(agent, gym.vector.SyncVectorEnv([Lengths] * 7), episodes=200, seed=3)
    assert len(result.returns) == 200
    np.testing.assert_array_equal(result.returns, result.lengths)
    assert 14 < result.mean < 27  # true mean 20.5, standard error 1.4
    low, high = result.interval()
    assert low < result.mean < high


def test_an_evaluation_is_repeatable_and_its_seed_matters() -> None:
    def returns(seed: int, **options: bool) -> list[float]:
        return evaluate(cartpole_agent(), "CartPole-v1", episodes=12, seed=seed, **options).returns.tolist()

    assert returns(0) == returns(0) != returns(1)
    assert returns(0) != returns(0, deterministic=False)


def test_bootstrap_interval_against_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    narrow = bootstrap_interval(values, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_spaces_that_do_not_fit_are_told() -> None:
    with pytest.raises(UserError, match="observation space is"):
        evaluate(cartpole_agent(), "Acrobot-v1", episodes=1)
    with pytest.raises(UserError, match="episodes must be 1"):
        evaluate(cartpole_agent(), "CartPole-v1", episodes=0)


def test_a_film(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    env = make_env("GridWorld-v0")
    agent = agents.RandomAgent(env.observation_space, env.action_space)
    film = tmp_path / "v" / "grid.mp4"
    result = record_video(agent, "GridWorld-v0", film, max_steps=5, deterministic=False)
    data = film.read_bytes()
    assert data[4:8] == b"ftyp"
    assert len(data) > 1_000
    assert result.lengths[0] <= 5
    assert [p.name for p in film.parent.iterdir()] == ["grid.mp4"]
    with pytest.raises(UserError, match=r"\.mp4 or \.gif"):
        record_video(agent, "GridWorld-v0", tmp_path / "grid.avi")


def test_the_commands_on_a_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cartpole_agent().save("run/agent")
    Path("run/config.toml").write_text('env = "CartPole-v1"\n')
    assert evaluate_command(EvaluateArguments("run", episodes=6)) == 0
    assert "CartPole-v1: mean return" in capsys.readouterr().out
    assert json.loads(Path("run/evaluation.json").read_text())["episodes"] == 6
    assert compare(CompareArguments(("run",))) == 0
    assert "CartPole-v1" in capsys.readouterr().out
    with pytest.raises(UserError, match="rlkit evaluate nothing"):
        compare(CompareArguments(("nothing",)))
    with pytest.raises(UserError, match="holds no agent"):
        watch(WatchArguments("nothing"))
    cartpole_agent().save("alone")
    with pytest.raises(UserError, match="--env ID"):
        evaluate_command(EvaluateArguments("alone"))
    assert evaluate_command(EvaluateArguments("alone", env="CartPole-v1", episodes=1, stochastic=True)) == 0
