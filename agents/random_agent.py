"""Uniformly random actions: the floor every learned agent is measured against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.agent import Memoryless, is_single, read_agent, write_agent
from neuralcore.errors import UserError


class RandomAgent(Memoryless):
    """Acts uniformly over a Discrete or Box action space.

    Args:
        observation_space, action_space: of one environment.
        seed: of its own generator.
    """

    def __init__(self, observation_space: gym.Space, action_space: gym.Space, *, seed: int = 0):
        self.observation_space, self.action_space, self.seed = observation_space, action_space, seed
        self._generator = np.random.default_rng(seed)

    def act(self, observations: Any, *, deterministic: bool = False) -> Any:
        """Random actions; `deterministic` starts the generator anew, so the same call gives the same actions."""
        generator = np.random.default_rng(self.seed) if deterministic else self._generator
        single = is_single(observations, self.observation_space)
        count = 1 if single else len(observations)
        space = self.action_space
        if isinstance(space, gym.spaces.Discrete):
            actions: Any = space.start + generator.integers(space.n, size=count)
        elif isinstance(space, gym.spaces.Box):
            actions = generator.uniform(space.low, space.high, (count, *space.shape)).astype(space.dtype)
        else:
            raise TypeError(f"no uniform distribution over {space}")
        return actions[0] if single else actions

    def action_probabilities(self, observations: Any, *, deterministic: bool = False) -> np.ndarray:
        """(N, A), the same for all; `deterministic` fixes the draws, not what they are drawn from."""
        if not isinstance(self.action_space, gym.spaces.Discrete):
            raise UserError(f"{self.action_space} has no list of actions to give probabilities for")
        return np.full((len(observations), int(self.action_space.n)), 1 / int(self.action_space.n))

    def save(self, folder: str | Path) -> Path:
        return write_agent(
            folder,
            "RandomAgent",
            self.observation_space,
            self.action_space,
            {"seed": np.array([self.seed])},
            {},
        )

    @classmethod
    def load(cls, folder: str | Path) -> RandomAgent:
        description, arrays = read_agent(folder, "RandomAgent")
        spaces = description["observation_space"], description["action_space"]
        return cls(*spaces, seed=int(arrays["seed"][0]))
