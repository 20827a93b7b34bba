"""Our environments are environments to others: Stable-Baselines3 checks them and trains in them."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import envs

sb3 = pytest.importorskip("stable_baselines3", reason="needs stable-baselines3 (extra sb3)")
env_checker = pytest.importorskip("stable_baselines3.common.env_checker")

OURS = {
    "index": ("envs:GridWorld-v0", {"observation": "index"}),
    "vector": ("envs:GridWorld-v0", {"slip": 0.1}),
    "chain": ("envs:Chain-v0", {}),
}


@pytest.mark.parametrize("name", OURS)
def test_its_checker_finds_nothing(name: str) -> None:
    env_id, arguments = OURS[name]
    env_checker.check_env(gym.make(env_id, **arguments).unwrapped)  # its warnings are errors here
    env_checker.check_env(gym.make(env_id, **arguments))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("algorithm", ["DQN", "A2C"])
def test_its_algorithms_train(name: str, algorithm: str) -> None:
    env_id, arguments = OURS[name]
    settings = {"learning_starts": 50, "buffer_size": 1_000} if algorithm == "DQN" else {}
    model = getattr(sb3, algorithm)("MlpPolicy", gym.make(env_id, **arguments), seed=0, device="cpu", **settings)
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(200)
    assert model.num_timesteps >= 200
    assert any((a != b).any() for a, b in zip(before, model.policy.parameters()))


def test_atari() -> None:
    game = envs.make("ALE/Pong-v5")
    env_checker.check_env(game)
    copies = sb3.common.vec_env.DummyVecEnv([lambda: envs.make("ALE/Pong-v5")] * 2)
    model = sb3.A2C("CnnPolicy", copies, seed=0, device="cpu", n_steps=5)
    assert sb3.common.preprocessing.is_image_space(game.observation_space)
    model.learn(20)
    assert model.num_timesteps == 20
    observation = copies.reset()
    assert observation.shape == (2, 4, 84, 84)
    assert observation.dtype == np.uint8
