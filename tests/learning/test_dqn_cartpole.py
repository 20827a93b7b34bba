"""DQN solves CartPole-v1 with the shipped preset: the agent at the end, on every seed tried."""

from __future__ import annotations

import pytest

from rlkit import DQN, DQNConfig, evaluate


@pytest.mark.learning
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cartpole_is_solved(seed: int) -> None:
    agent = DQN("CartPole-v1", DQNConfig.preset("configs/rl/cartpole_dqn.toml"), seed=seed).learn(60_000)
    assert evaluate(agent, "CartPole-v1", episodes=20).mean >= 475
