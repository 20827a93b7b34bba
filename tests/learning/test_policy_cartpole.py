"""What A2C, PPO and REINFORCE make of CartPole-v1 with the shipped presets: the mean of three agents at the end.

Measured on seeds 0 to 2: A2C 293, 500, 217; PPO 500 each; REINFORCE 500, 451, 450. docs/results/classic.md has ten
other seeds each. The thresholds leave room for one bad seed, and none for an algorithm that does not learn.
"""

from __future__ import annotations

import numpy as np
import pytest

import rlkit
from rlkit import evaluate
from rlkit.train import parse_arguments


@pytest.mark.learning
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "least"), [("A2C", 250), ("PPO", 400), ("REINFORCE", 380)])
def test_cartpole(name: str, least: int) -> None:
    preset = f"configs/rl/cartpole_{name.lower()}.toml"
    config = getattr(rlkit, f"{name}Config").preset(preset)
    _, arguments = parse_arguments([preset], "rlkit train")
    returns = []
    for seed in range(3):
        agent = getattr(rlkit, name)("CartPole-v1", config, seed=seed).learn(arguments.steps)
        returns.append(evaluate(agent, "CartPole-v1", episodes=20).mean)
    assert np.mean(returns) >= least, returns
