"""The scale of rewards against all discounted returns kept in a list, and what learners do with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from neuralcore.errors import UserError
from rlkit import A2C, PPO, REINFORCE, A2CConfig, PPOConfig, REINFORCEConfig
from rlkit.policy_learner import PolicyLearner
from rlkit.reward_scale import FIRST_WEIGHT, RewardScale
from rlkit.rollout import Step

SMALL: dict[str, Any] = {
    "num_envs": 3,
    "hidden": (8,),
    "learning_rate": 1e-2,
    "clip_rewards": False,
    "normalise_rewards": True,
}
LEARNERS: dict[str, tuple[Any, Any]] = {
    "a2c": (A2C, A2CConfig(n_step=4, **SMALL)),
    "ppo": (PPO, PPOConfig(n_step=8, minibatch=12, **SMALL)),
    "reinforce": (REINFORCE, REINFORCEConfig(episodes=2, **SMALL)),
}


def step(reward: Any, terminated: Any, truncated: Any, transition: Any) -> Step:
    nothing = np.zeros(len(reward))
    over, cut, real = (np.array(mask, bool) for mask in (terminated, truncated, transition))
    return Step(nothing, nothing, np.array(reward, float), over, cut, real)


def scripted(count: int, length: int) -> list[Step]:
    """Random rewards of a mean far from 0, episodes that end both ways, and after each a reset row that pays too."""
    random, over = np.random.default_rng(5), np.zeros(count, bool)
    steps = []
    for _ in range(length):
        transition, end = ~over, random.random((2, count)) < 0.15
        terminated, truncated = end[0] & transition, end[1] & ~end[0] & transition
        steps.append(step(random.normal(-4.0, 3.0, count), terminated, truncated, transition))
        over = terminated | truncated
    return steps


def listed(steps: list[Step], discount: float) -> list[np.ndarray]:
    """The same from the definition: every running return is kept, and all are looked through at every step."""
    count, seen, scaled = len(steps[0].reward), [], []
    running = [0.0] * count
    for s in steps:
        for i in range(count):
            if s.transition[i]:
                running[i] = discount * running[i] + s.reward[i]
                seen.append(running[i])
            if s.terminated[i] or s.truncated[i]:
                running[i] = 0.0
        total = FIRST_WEIGHT + len(seen)
        mean = sum(seen) / total
        variance = (FIRST_WEIGHT * (1.0 + mean**2) + sum((r - mean) ** 2 for r in seen)) / total
        scaled.append(np.clip(s.reward / np.sqrt(variance + 1e-8), -10.0, 10.0))
    return scaled


@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 3])
def test_scaled_as_if_all_returns_were_kept(count: int, discount: float) -> None:
    steps = scripted(count, 150)
    scale = RewardScale(count, discount)
    found = [scale.scale(s.reward, s) for s in steps]
    np.testing.assert_allclose(found, listed(steps, discount), rtol=1e-9)
    assert (~np.array([s.transition for s in steps])).any()


def test_by_hand() -> None:
    scale = RewardScale(2, 0.5)
    no, yes = [False, False], [True, True]
    # Equal returns have no deviation but the little that was assumed, so the limit holds.
    np.testing.assert_array_equal(scale.scale(np.array([3.0, 3.0]), step([3, 3], no, no, yes)), [10.0, 10.0])
    scale.scale(np.array([1.0, -3.0]), step([1, -3], [True, False], no, yes))  # returns 2.5 and -1.5
    returns = [3.0, 3.0, 2.5, -1.5]
    assert scale.deviation == pytest.approx(np.std(returns), rel=1e-4)
    # The first environment resets, and pays what does not count; the second goes on.
    scale.scale(np.array([99.0, 4.0]), step([99, 4], no, no, [False, True]))
    assert scale.deviation == pytest.approx(np.std([*returns, 0.5 * -1.5 + 4.0]), rel=1e-4)
    scale.cut()
    scale.scale(np.array([7.0, 8.0]), step([7, 8], no, no, yes))
    assert scale.deviation == pytest.approx(np.std([*returns, 0.5 * -1.5 + 4.0, 7.0, 8.0]), rel=1e-4)


class Pays(gym.Env):
    """Some steps, each paying a fixed reward, or twice that."""

    observation_space = gym.spaces.Box(0.0, 5.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, reward: float, length: int):
        self.reward, self.length = reward, length

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.t += 1
        return np.full(1, self.t, np.float32), self.reward * (1 + int(action)), self.t == self.length, False, {}


def trained(name: str, reward: float, steps: int = 200, **change: Any) -> PolicyLearner:
    learner, config = LEARNERS[name]
    env = gym.vector.SyncVectorEnv([lambda n=n: Pays(reward, n) for n in (3, 4, 5)])  # type: ignore[misc]
    made = learner(env, dataclasses.replace(config, **change), seed=0)
    made.learn(steps)
    return made


def weights(learner: PolicyLearner) -> np.ndarray:
    return np.concatenate([p.detach().numpy().reshape(-1) for p in learner.network.parameters()])


@pytest.mark.parametrize("name", LEARNERS)
def test_the_unit_of_reward_does_not_matter_and_returns_are_shown_in_it(name: str) -> None:
    one, hundred = trained(name, 1.0), trained(name, 128.0)
    np.testing.assert_allclose(weights(one), weights(hundred), atol=1e-4)
    scales = [learner.metrics()["reward_scale"] for learner in (one, hundred)]
    assert scales[1] == pytest.approx(128.0 * scales[0], rel=1e-2)
    for learner, reward in ((one, 1.0), (hundred, 128.0)):
        assert learner.rollout.episodes
        assert all(1 <= e.episode_return / e.length / reward <= 2 for e in learner.rollout.episodes)
    raw = [trained(name, reward, normalise_rewards=False) for reward in (1.0, 128.0)]
    assert np.abs(weights(raw[0]) - weights(raw[1])).max() > 2e-2
    assert "reward_scale" not in raw[0].metrics()


@pytest.mark.parametrize("name", LEARNERS)
def test_clipped_rewards_are_scaled_as_clipped(name: str) -> None:
    # Clipped, all of these rewards are 1.
    one, hundred = (trained(name, reward, clip_rewards=True) for reward in (1.0, 128.0))
    np.testing.assert_array_equal(weights(one), weights(hundred))
    assert one.metrics()["reward_scale"] == hundred.metrics()["reward_scale"] < 2.0


@pytest.mark.parametrize("name", LEARNERS)
def test_a_checkpoint_carries_the_scale_and_a_cut_ends_its_returns(name: str, tmp_path: Path) -> None:
    one = trained(name, 2.0, steps=100)
    assert one.reward_scale is not None
    one.save(tmp_path)
    two, three = trained(name, 2.0, steps=0).load(tmp_path), trained(name, 2.0, steps=0)
    assert two.reward_scale is not None
    for array, other in zip(one.reward_scale.state().values(), two.reward_scale.state().values()):
        np.testing.assert_array_equal(array, other)
    assert two.reward_scale.returns.any()
    three.load(tmp_path, new_episodes=True)
    assert three.reward_scale is not None
    assert not three.reward_scale.returns.any()
    assert three.reward_scale.deviation == one.reward_scale.deviation


def test_a_checkpoint_of_other_settings_is_told(tmp_path: Path) -> None:
    plain = dataclasses.replace(LEARNERS["a2c"][1], normalise_rewards=False)
    A2C("CartPole-v1", plain, seed=0).save(tmp_path)
    with pytest.raises(UserError, match=r"step_0 holds no reward_scale: it was saved with other settings"):
        A2C("CartPole-v1", LEARNERS["a2c"][1], seed=0).load(tmp_path)
