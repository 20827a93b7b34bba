"""What learns to act: exact planning on known models, and algorithms that learn from experience.

from rlkit import DQN, solve
plan = solve(gym.make("GridWorld-v0"), discount=0.99)
agent = DQN("CartPole-v1", seed=0).learn(60_000)
"""

from __future__ import annotations

import importlib
from typing import Any

# name -> its module; loaded when first asked for, so planning never imports torch
_EXPORTS = {
    "MDP": "rlkit.mdp",
    "solve": "rlkit.automatic",
    "value_iteration": "rlkit.planning",
    "policy_iteration": "rlkit.planning",
    "modified_policy_iteration": "rlkit.planning",
    "q_iteration": "rlkit.planning",
    "finite_horizon": "rlkit.planning",
    "QLearning": "rlkit.tabular",
    "SARSA": "rlkit.tabular",
    "ExpectedSARSA": "rlkit.tabular",
    "MonteCarloControl": "rlkit.tabular",
    "TDConfig": "rlkit.tabular_config",
    "TabularConfig": "rlkit.tabular_config",
    "DQN": "rlkit.dqn",
    "DQNConfig": "rlkit.dqn_config",
    "A2C": "rlkit.a2c",
    "A2CConfig": "rlkit.a2c_config",
    "PPO": "rlkit.ppo",
    "PPOConfig": "rlkit.ppo_config",
    "REINFORCE": "rlkit.reinforce",
    "REINFORCEConfig": "rlkit.reinforce_config",
    "LinearQ": "rlkit.linear_q",
    "LinearQConfig": "rlkit.linear_q_config",
    "FittedQ": "rlkit.fitted_q",
    "FittedQConfig": "rlkit.fitted_q_config",
    "Dataset": "rlkit.dataset",
    "collect": "rlkit.dataset",
    "evaluate": "rlkit.evaluation",
    "evaluate_exactly": "rlkit.exact",
    "record_video": "rlkit.video",
}

__all__ = [
    "A2C",
    "DQN",
    "MDP",
    "PPO",
    "REINFORCE",
    "SARSA",
    "A2CConfig",
    "DQNConfig",
    "Dataset",
    "ExpectedSARSA",
    "FittedQ",
    "FittedQConfig",
    "LinearQ",
    "LinearQConfig",
    "MonteCarloControl",
    "PPOConfig",
    "QLearning",
    "REINFORCEConfig",
    "TDConfig",
    "TabularConfig",
    "collect",
    "evaluate",
    "evaluate_exactly",
    "finite_horizon",
    "modified_policy_iteration",
    "policy_iteration",
    "q_iteration",
    "record_video",
    "solve",
    "value_iteration",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'rlkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
