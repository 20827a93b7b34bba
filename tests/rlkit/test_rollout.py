from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from neuralcore.errors import UserError
from rlkit import A2C, A2CConfig, loop
from rlkit.environments import make_env, make_vector_env
from rlkit.rollout import Rollout


class Script(gym.Env):
    """Shows the number of steps since the reset; ends after `length` of them, by time limit if `truncate`."""

    observation_space = gym.spaces.Box(0, 100, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length: int, truncate: bool = False, reward: float = 1.0):
        self.length, self.truncate, self.reward = length, truncate, reward

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.t = 0
        return np.array([0], np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.t += 1
        over = self.t >= self.length
        return np.array([self.t], np.float32), self.reward, over and not self.truncate, over and self.truncate, {}


def scripted(*lengths: int, truncate: bool = False, reward: float = 1.0) -> gym.vector.VectorEnv:
    return gym.vector.SyncVectorEnv([lambda n=n: Script(n, truncate, reward) for n in lengths])


def test_reset_rows_are_no_transitions_and_not_counted() -> None:
    rollout = Rollout(scripted(2, 3), seed=0)
    steps = [rollout.step(np.zeros(2, int)) for _ in range(6)]
    seen = np.array([s.observation_t[:, 0] for s in steps])
    #                         env of length 2     of length 3
    np.testing.assert_array_equal(seen.T, [[0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 0, 1]])
    np.testing.assert_array_equal(np.array([s.transition for s in steps]).T, [[1, 1, 0, 1, 1, 0], [1, 1, 1, 0, 1, 1]])
    np.testing.assert_array_equal(np.array([s.terminated for s in steps]).T, [[0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0]])
    episodes = rollout.take_episodes()
    assert [(e.episode_return, e.length) for e in episodes] == [(2, 2), (3, 3), (2, 2)]
    assert rollout.take_episodes() == []


def test_without_a_run_folder_the_newest_episodes_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "MOST_EPISODES", 3)
    config = A2CConfig(num_envs=2, n_step=1, hidden=(4,))
    kept, all_of_them = (A2C(scripted(2, 3), config, seed=0) for _ in range(2))
    kept.learn(100)
    while all_of_them.steps < 100:
        all_of_them.advance()
    found, expected = kept.rollout.take_episodes(), all_of_them.rollout.take_episodes()
    assert 3 <= len(found) <= 6 < len(expected)
    assert found == expected[-len(found) :]
    # A run folder's rows count all of them.
    reported = A2C(scripted(2, 3), config, seed=0)
    reported.learn(100, folder=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert sum(row["episodes"] for row in rows) == len(expected)


def test_episodes_begin_after_reset_rows_and_restarts() -> None:
    rollout = Rollout(scripted(1, 3), seed=0)
    begins = []
    for _ in range(6):
        begins.append(rollout.begins)
        np.testing.assert_array_equal(begins[-1], (rollout.observations[:, 0] == 0))
        rollout.step(np.zeros(2, int))
    np.testing.assert_array_equal(np.array(begins).T, [[1, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 0]])
    rollout.restart(1)
    assert rollout.begins.all()


def test_truncated_is_not_terminated() -> None:
    rollout = Rollout(scripted(2, truncate=True), seed=0)
    steps = [rollout.step(np.zeros(1, int)) for _ in range(2)]
    assert not any(s.terminated.any() for s in steps)
    assert steps[1].truncated[0]


def test_restart_drops_open_episodes_and_seeds_by_number() -> None:
    rollout = Rollout(make_vector_env("CartPole-v1", 2), seed=5)
    first = rollout.observations.copy()
    rollout.step(np.zeros(2, int))
    rollout.restart(7)
    seventh = rollout.observations.copy()
    assert not np.array_equal(first, seventh)
    rollout.restart(0)
    np.testing.assert_array_equal(rollout.observations, first)
    other = Rollout(make_vector_env("CartPole-v1", 2), seed=6)
    assert not np.array_equal(first, other.observations)
    assert rollout.take_episodes() == []


def test_other_autoreset_modes_and_bad_rewards_are_refused() -> None:
    same_step = gym.vector.SyncVectorEnv([lambda: Script(2)], autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    with pytest.raises(UserError, match="NEXT_STEP"):
        Rollout(same_step, seed=0)
    rollout = Rollout(scripted(5, 5, reward=float("nan")), seed=0)
    with pytest.raises(UserError, match="environment 0 gave reward nan"):
        rollout.step(np.zeros(2, int))


def test_unknown_environments_name_the_nearest() -> None:
    with pytest.raises(UserError, match="CartPole-v1"):
        make_vector_env("CartPol-v1", 2)
    with pytest.raises(UserError, match="FrozenLake"):
        make_env("FrozenLak-v1")


class Breaks(gym.Env):
    """Shows NaN, or raises, in the third step of the second copy."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, how: str = ""):
        self.how = how

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 3 and self.how == "raises":
            raise ArithmeticError("the ground gave way")
        seen = np.full(2, np.nan if self.steps == 3 and self.how == "nan" else 0.0, np.float32)
        return seen, 0.0, False, False, {}


def breaking(how: str) -> Rollout:
    copies = [lambda how=how: Breaks(how) for how in ("", how)]
    return Rollout(gym.vector.SyncVectorEnv(copies, autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP), seed=0)


def test_what_breaks_is_named() -> None:
    rollout = breaking("nan")
    for _ in range(2):
        rollout.step(np.zeros(2, int))
    with pytest.raises(UserError, match=r"environment 1 gave observation \[nan, nan\] at step 3"):
        rollout.step(np.zeros(2, int))
    rollout = breaking("raises")
    for _ in range(2):
        rollout.step(np.zeros(2, int))
    with pytest.raises(ArithmeticError, match="the ground gave way") as raised:  # the environment's own traceback
        rollout.step(np.array([0, 1]))
    assert raised.value.__notes__ == ["environment 1, action 1, at step 3 since the last restart"]
