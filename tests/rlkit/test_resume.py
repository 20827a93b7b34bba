"""A training that is stopped in the middle of its episodes and goes on is, byte for byte, the one never stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from neuralcore.checkpoint import CheckpointStore, Shard
from neuralcore.errors import UserError
from rlkit import A2C, DQN, PPO, REINFORCE, A2CConfig, DQNConfig, PPOConfig, REINFORCEConfig, loop
from rlkit.environments import make_vector_env
from rlkit.rollout import Rollout
from rlkit.tabular import SARSA, MonteCarloControl, QLearning
from rlkit.tabular_config import TabularConfig, TDConfig

SMALL: dict[str, Any] = {"hidden": (8,), "num_envs": 3}
DQN_SMALL: dict[str, Any] = {"learning_starts": 60, "train_every": 12, "batch_size": 8, "replay_capacity": 240}
PONG = {"screen_size": 36, "stack_num": 2, "max_episode_steps": 30, "noop_max": 1, "repeat_action_probability": 0.25}
LIVES = {"screen_size": 36, "stack_num": 2, "terminal_on_life_loss": True}
ON_PIXELS = {"network": "mlp", "hidden": (8,), "num_envs": 2}

# learner, its config, environment, its arguments
CASES: dict[str, tuple[Callable, Any, str, dict[str, Any]]] = {
    "q-learning": (QLearning, TDConfig(num_envs=3, n_step=3), "GridWorld-v0", {}),
    "sarsa, sync": (SARSA, TDConfig(num_envs=3), "GridWorld-v0", {"vectorization_mode": "sync"}),
    "monte-carlo": (MonteCarloControl, TabularConfig(num_envs=3), "GridWorld-v0", {}),
    "dqn, grid": (DQN, DQNConfig(n_step=3, prioritised=True, **SMALL, **DQN_SMALL), "GridWorld-v0", {}),
    "dqn, cart": (DQN, DQNConfig(n_step=2, **SMALL, **DQN_SMALL), "CartPole-v1", {}),
    "a2c, cart": (A2C, A2CConfig(n_step=4, **SMALL), "CartPole-v1", {}),
    "a2c, whole log": (
        A2C,
        A2CConfig(n_step=4, **SMALL),
        "CartPole-v1",
        {"vectorization_mode": "vector_entry_point"},
    ),
    "ppo, cart": (PPO, PPOConfig(n_step=20, minibatch=20, epochs=2, **SMALL), "CartPole-v1", {}),
    "a2c, scaled rewards": (A2C, A2CConfig(n_step=4, normalise_rewards=True, **SMALL), "CartPole-v1", {}),
    "a2c, lstm": (A2C, A2CConfig(n_step=4, core="lstm", core_width=4, **SMALL), "CartPole-v1", {}),
    "ppo, lstm": (PPO, PPOConfig(n_step=9, minibatch=9, core="lstm", core_width=4, **SMALL), "CartPole-v1", {}),
    "reinforce, cart": (REINFORCE, REINFORCEConfig(episodes=3, **SMALL), "CartPole-v1", {}),
    "ppo, pendulum": (
        PPO,
        PPOConfig(n_step=20, minibatch=20, epochs=2, normalise_rewards=True, **SMALL),
        "Pendulum-v1",
        {"max_episode_steps": 60},
    ),
    "reinforce, pendulum": (
        REINFORCE,
        REINFORCEConfig(episodes=3, normalise_rewards=True, **SMALL),
        "Pendulum-v1",
        {"max_episode_steps": 60},
    ),
    "a2c, pong": (A2C, A2CConfig(n_step=4, **ON_PIXELS), "ALE/Pong-v5", PONG),
    "dqn, pong": (DQN, DQNConfig(**ON_PIXELS, **DQN_SMALL), "ALE/Pong-v5", PONG),
    "dqn, lives": (DQN, DQNConfig(**ON_PIXELS, **DQN_SMALL), "ALE/Breakout-v5", LIVES),
}
SLOW = ["a2c, pong", "dqn, pong", "dqn, lives"]


class Killed(Exception):
    pass


def made(case: str, seed: int = 4) -> Any:
    learner, config, env, arguments = CASES[case]
    return learner(make_vector_env(env, config.num_envs, **arguments), config, seed=seed)


def train(learner: Any, folder: Path, kill_after: int | None = None, **options: int) -> None:
    """Train to the end, or until so many vector steps have been taken."""
    step, left = learner.rollout.step, kill_after
    length = {"steps": 900, "checkpoint_every": 170, "report_every": 110} | options

    def counted(actions: np.ndarray) -> Any:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise Killed
        return step(actions)

    learner.rollout.step = counted
    try:
        learner.learn(**length, folder=folder)
        assert kill_after is None, "it was to be killed"
    except Killed:
        pass
    learner.env.close()


def left_by(folder: Path) -> tuple[dict[str, Any], str]:
    """The newest manifest, which has the hash of every array (weights, optimiser, replay) and the generators' states;
    and the metrics."""
    newest = folder / "checkpoints" / (folder / "checkpoints" / "LATEST").read_text()
    return json.loads((newest / "manifest.json").read_text()), (folder / "metrics.jsonl").read_text()


@pytest.mark.parametrize("case", [case for case in CASES if case not in SLOW])
def test_stopping_and_going_on_changes_nothing(case: str, tmp_path: Path) -> None:
    train(made(case), tmp_path / "whole")
    for steps in (75, 130, 31, 90):  # the first two leave a checkpoint behind, the third does not
        train(made(case), tmp_path / "part", kill_after=steps)
    train(made(case), tmp_path / "part")
    whole, part = left_by(tmp_path / "whole"), left_by(tmp_path / "part")
    assert whole[0]["step"] >= 900
    assert whole == part


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW)
def test_stopping_and_going_on_changes_nothing_in_games(case: str, tmp_path: Path) -> None:
    length = {"steps": 400, "checkpoint_every": 80, "report_every": 50}
    train(made(case), tmp_path / "whole", **length)
    for steps in (61, 70, 15):
        train(made(case), tmp_path / "part", kill_after=steps, **length)
    train(made(case), tmp_path / "part", **length)
    assert left_by(tmp_path / "whole") == left_by(tmp_path / "part")


def test_a_game_comes_back_to_the_middle_of_an_episode() -> None:
    """Pong with sticky actions and episodes of 30 steps, marked at 10: before it takes effect, and after."""
    one, two = (Rollout(make_vector_env("ALE/Pong-v5", 2, **PONG), seed=0) for _ in range(2))
    for t, actions in enumerate(np.random.default_rng(0).integers(6, size=(66, 2))):
        if t == 10:
            one.history.mark(10)
        if t in (20, 50):
            two.restore(*one.state())
        one.step(actions)
        if 20 <= t < 35 or t >= 50:
            two.step(actions)
            np.testing.assert_array_equal(two.observations, one.observations)
    assert one.take_episodes()[-2:] == two.take_episodes()[-2:]
    assert len(one.state()[1]["history.actions"]) == 66 - 31


@pytest.mark.parametrize("case", ["dqn, cart", "reinforce, pendulum", "monte-carlo"])
def test_stopping_anywhere_changes_no_weights(case: str, tmp_path: Path) -> None:
    """Between two checkpoints too, as `--seconds` and a longer `--steps` do; only the rows of metrics differ."""
    for folder, stops in (("whole", [900]), ("part", [100, 421, 900])):
        for steps in stops:
            learner = made(case)
            learner.learn(steps, folder=tmp_path / folder, checkpoint_every=170)
            learner.env.close()
    whole, part = left_by(tmp_path / "whole")[0], left_by(tmp_path / "part")[0]
    assert whole["shards"] == part["shards"]
    assert whole["state"]["generators"] == part["state"]["generators"]


class Dice(gym.Env):
    """Shows numbers that no seed decides."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float64)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        return self.step(0)[0], {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        return np.random.default_rng().random(1), 1.0, False, False, {}


def test_an_environment_that_does_not_come_back_is_named_and_new_episodes_help(tmp_path: Path) -> None:
    def learner() -> DQN:
        return DQN(gym.vector.SyncVectorEnv([Dice, Dice]), DQNConfig(hidden=(8,), num_envs=2, **DQN_SMALL))

    first = learner()
    train(first, tmp_path, kill_after=100)
    with pytest.raises(UserError, match=r"environment 0 does not come back .*\(2 of 2 do not\).*--new-episodes"):
        train(learner(), tmp_path)
    again = learner()
    again.load(tmp_path / "checkpoints", new_episodes=True)
    assert again.steps == 170
    assert again.replay.written == 86  # the last observations have a row
    assert not again.replay.transition[85].any()
    assert again.rollout.take_episodes() == []
    train(learner(), tmp_path, new_episodes=True)
    assert left_by(tmp_path)[0]["step"] == 900


@pytest.mark.parametrize("case", ["monte-carlo", "reinforce, cart"])
def test_checkpoints_of_version_010_still_load(case: str, tmp_path: Path) -> None:
    """They had ended the open episodes, and began new ones with seeds made of the step."""
    learner = made(case)
    train(learner, tmp_path, kill_after=80)
    path = tmp_path / "checkpoints" / (tmp_path / "checkpoints" / "LATEST").read_text() / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("rollout", "open", "episodes"):
        manifest["shards"].pop(name, None)
        manifest["state"].pop(name, None)
    path.write_text(json.dumps(manifest))
    again = made(case)
    again.load(tmp_path / "checkpoints")
    assert again.steps == manifest["step"]
    fresh = made(case)
    fresh.rollout.restart(manifest["step"])
    np.testing.assert_array_equal(again.rollout.observations, fresh.rollout.observations)
    again.advance()


@pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point"])
def test_the_actions_kept_are_those_since_the_oldest_reset(mode: str) -> None:
    rollout = Rollout(make_vector_env("CartPole-v1", 3, vectorization_mode=mode), seed=0)
    actions = np.random.default_rng(0).integers(2, size=(400, 3))
    longest = 0
    for t, row in enumerate(actions):
        if t % 100 == 50:
            rollout.history.mark(t)
        rollout.step(row)
        kept = rollout.state()[1]["history.actions"]
        np.testing.assert_array_equal(kept, actions[t + 1 - len(kept) : t + 1])
        assert kept.dtype == np.uint8
        longest = max(longest, len(kept))
    if mode == "vector_entry_point":  # it resets all copies or none
        assert longest == 400
    else:
        assert 100 <= longest < 250
        assert len(kept) < 150
    rollout.env.close()


@pytest.mark.parametrize("case", ["a2c, whole log", "ppo, pendulum"])
def test_a_long_log_of_actions_is_not_written_again(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log(folder: Path) -> list[tuple[Path, Path]]:
        older, newer = sorted((folder / "checkpoints").glob("step_*"), key=lambda p: int(p.name[5:]))
        files = sorted(p.name for p in newer.glob("actions_*"))
        return [(older / name, newer / name) for name in files]

    if case == "ppo, pendulum":  # a time limit that is never reached
        monkeypatch.setitem(CASES, case, (*CASES[case][:3], {"max_episode_steps": 10**6}))
    train(made(case), tmp_path / "one")
    assert len(log(tmp_path / "one")) == 1
    one = left_by(tmp_path / "one")[0]
    monkeypatch.setattr(loop, "PIECE", 40 * (3 if case == "a2c, whole log" else 3 * 4))  # 40 rows of three copies
    train(made(case), tmp_path / "whole")
    for steps in (130, 90):
        train(made(case), tmp_path / "part", kill_after=steps)
    train(made(case), tmp_path / "part")
    whole = left_by(tmp_path / "whole")
    assert whole == left_by(tmp_path / "part")
    assert whole[0]["shards"]["network"] == one["shards"]["network"]
    files = log(tmp_path / "whole")
    linked = [older.exists() and older.stat().st_ino == newer.stat().st_ino for older, newer in files]
    full = files[0][1].stat().st_size
    assert linked == [older.exists() and older.stat().st_size == full for older, _ in files]
    assert linked.count(True) in (6, 7)  # of the 850 / 3 rows and more of the last checkpoint but one
    assert not linked[-1]


def test_a_log_of_actions_in_one_piece_with_the_rest_still_loads(tmp_path: Path) -> None:
    """As it was kept before it could get long."""
    learner = made("a2c, whole log")
    train(learner, tmp_path / "run")
    state, shards = learner.state()
    plain, arrays = learner.rollout.state()
    assert len(arrays["history.actions"]) > 300  # 900 / 3, and reset rows
    store = CheckpointStore(tmp_path / "old")
    store.save(learner.steps, {**state, "rollout": plain}, {**shards, "rollout": Shard(arrays)})
    again = made("a2c, whole log")
    again.load(tmp_path / "old")
    np.testing.assert_array_equal(again.rollout.observations, learner.rollout.observations)


def test_a_mark_changes_only_what_comes_after_the_episode() -> None:
    marked, unmarked = (Rollout(make_vector_env("CartPole-v1", 2), seed=1) for _ in range(2))
    for t in range(120):
        if t == 5:
            marked.history.mark(5)
        actions = np.array([t % 2, 1])
        one, two = marked.step(actions), unmarked.step(actions)
        if t > 5 and not marked.history._marked.any():
            break
        for i in np.flatnonzero(marked.history._marked):
            np.testing.assert_array_equal(one.observation_t[i], two.observation_t[i])
    assert not np.array_equal(marked.observations, unmarked.observations)
    assert 5 < t < 119
