"""Greedy policies in a maze whose optimum is known: within 1 % of it, by exact evaluation, on several seeds.

docs/results/gridworld.md has all algorithms, in two worlds.
"""

from __future__ import annotations

from typing import Any

import pytest

import rlkit
from rlkit import collect, evaluate_exactly
from rlkit.environments import make_env, make_vector_env, parse_env_args
from rlkit.fitted_q import FittedQ
from rlkit.train import parse_arguments

MAZE: dict[str, Any] = {"layout": "dyna_maze", "slip": 0.0}


def loss(agent: Any) -> float:
    """What the start loses to the optimum, as a share of that."""
    exact = evaluate_exactly(agent, make_env("GridWorld-v0", **MAZE), discount=0.99)
    return (exact.best.expected_return - exact.value) / exact.best.expected_return


@pytest.mark.learning
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["dqn", "ppo"])
def test_networks(name: str, seed: int) -> None:
    _, arguments = parse_arguments([f"configs/rl/gridworld_{name}.toml"], "rlkit train")
    assert parse_env_args(arguments.env_args) == {"layout": "dyna_maze", "slip": 0}
    config = getattr(arguments, name)
    env = make_vector_env("GridWorld-v0", config.num_envs, **MAZE)
    assert loss(getattr(rlkit, name.upper())(env, config, seed=seed).learn(arguments.steps)) <= 0.01


@pytest.mark.learning
@pytest.mark.parametrize("seed", range(2))
def test_linear_q(seed: int) -> None:
    assert loss(rlkit.LinearQ(make_vector_env("GridWorld-v0", 1, **MAZE), seed=seed).learn(50_000)) <= 0.01


@pytest.mark.learning
@pytest.mark.parametrize("seed", range(2))
def test_fitted_q(seed: int) -> None:
    data = collect(make_vector_env("GridWorld-v0", 16, **MAZE), 100_000, num_envs=16, seed=seed)
    assert loss(FittedQ(data, seed=seed).learn(200, tolerance=1e-9)) <= 0.01


@pytest.mark.learning
def test_linear_q_balances_the_pole_on_sixteen_cosines() -> None:
    preset = "configs/rl/cartpole_linear_q.toml"
    _, arguments = parse_arguments([preset], "rlkit train")
    agent = rlkit.LinearQ("CartPole-v1", rlkit.LinearQConfig.preset(preset), seed=0).learn(arguments.steps)
    assert rlkit.evaluate(agent, "CartPole-v1", episodes=20).mean >= 400  # 492 when written
