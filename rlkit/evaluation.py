"""How good an agent is: whole episodes, a mean, and how sure we are of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from agents.agent import Agent
from neuralcore.errors import UserError
from rlkit.environments import make_vector_env
from rlkit.rollout import Episode, Rollout
from rlkit.statistics import bootstrap_interval


@dataclass(frozen=True)
class Evaluation:
    """The episodes of one evaluation.

    Attributes:
        returns: (E,) undiscounted returns. lengths: (E,) transitions.
    """

    returns: np.ndarray
    lengths: np.ndarray

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(self.returns.mean())

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Percentile bootstrap interval of the mean return (Efron & Tibshirani 1993), 10,000 resamples."""
        return bootstrap_interval(self.returns, confidence)

    def as_row(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        low, high = self.interval()
        return {
            "episodes": len(self.returns),
            "mean_return": self.mean,
            "interval_95": [low, high],
            "min_return": float(self.returns.min()),
            "max_return": float(self.returns.max()),
            "mean_length": float(self.lengths.mean()),
            "returns": self.returns.tolist(),
        }


def evaluate(
    agent: Agent,
    env: str | gym.vector.VectorEnv,
    *,
    episodes: int = 20,
    seed: int = 10_000,
    deterministic: bool = True,
    **env_arguments: Any,
) -> Evaluation:
    """Play whole episodes and keep their returns.

    Every sub-environment plays a number of episodes fixed beforehand. Taking the first `episodes` to finish
    anywhere would favour short ones.

    Args:
        env: an environment id (with `env_arguments` for it), or a vector environment in autoreset mode NEXT_STEP.
        episodes: E. seed: of the environments' resets. deterministic: whether the agent leaves out exploration.
    """
    if episodes < 1:
        raise UserError(f"episodes must be 1 or more, got {episodes}")
    vector = make_vector_env(env, min(episodes, 10), **env_arguments) if isinstance(env, str) else env
    _check_spaces(agent, vector)
    rollout = Rollout(vector, seed)
    quota = np.array([len(range(i, episodes, vector.num_envs)) for i in range(vector.num_envs)])
    played: list[Episode] = []
    while quota.any():
        agent.begin(rollout.begins)
        rollout.step(agent.act(rollout.observations, deterministic=deterministic))
        for episode in rollout.take_episodes():
            if quota[episode.env]:
                quota[episode.env] -= 1
                played.append(episode)
    if isinstance(env, str):
        vector.close()
    return Evaluation(np.array([e.episode_return for e in played]), np.array([e.length for e in played]))


def _check_spaces(agent: Agent, env: gym.vector.VectorEnv) -> None:
    for what in ("observation_space", "action_space"):
        own, other = getattr(agent, what), getattr(env, f"single_{what}")
        if own != other:
            raise UserError(f"the agent's {what.replace('_', ' ')} is {own}, the environment's is {other}")
