"""A segment: T steps of N environments in arrays that are allocated once and filled again and again."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch

from agents.policy_agent import PolicyAgent
from neuralcore.kernels.returns import Returns, returns
from rlkit.rollout import Step


class Segment:
    """What on-policy algorithms learn from, and forget.

    Args:
        steps: T. count: N. agent: whose spaces these are.

    Attributes:
        observations: (T + 1, N, …); the last are those after the last step.
        outputs: (T, N, A) what the policy network gave. values: (T + 1, N) float32.
        actions: (T, N) int64 counted from 0, or (T, N, D) float32, not clipped to the space.
        state: (N, 2, W) the agent's core before the first step, None without one.
        rewards: (T, N) float32. terminated, truncated, transition: (T, N) bool, as in `Step`.
    """

    def __init__(self, steps: int, count: int, agent: PolicyAgent):
        space = agent.observation_space
        self.steps, self.count = steps, count
        dtype = np.int64 if isinstance(space, gym.spaces.Discrete) else space.dtype
        self.observations = np.zeros((steps + 1, count, *(space.shape or ())), dtype)
        numbers = agent.network.policy.out_features
        self.outputs = np.zeros((steps, count, numbers), np.float32)
        self.actions = (
            np.zeros((steps, count), np.int64) if agent.discrete else np.zeros((steps, count, numbers), np.float32)
        )
        self.values = np.zeros((steps + 1, count), np.float32)
        self.state: torch.Tensor | None = None
        self.rewards = np.zeros((steps, count), np.float32)
        self.terminated, self.truncated, self.transition = (np.zeros((steps, count), bool) for _ in range(3))

    def put(self, t: int, step: Step, drawn: np.ndarray) -> None:
        """Row t: a step, and the actions as they were drawn."""
        self.observations[t], self.actions[t] = step.observation_t, drawn
        self.rewards[t], self.transition[t] = step.reward, step.transition
        self.terminated[t], self.truncated[t] = step.terminated, step.truncated

    @property
    def begins(self) -> np.ndarray:
        """(T, N) bool, where an episode begins after the first step; the state before that one knows by itself."""
        return np.concatenate([np.zeros((1, self.count), bool), ~self.transition[:-1]])

    def returns(self, discount: float, trace: float) -> Returns:
        """Advantages and returns, (T, N) float32, with `values` as they are now."""
        return returns(self.rewards, self.values, self.terminated, self.truncated, self.transition, discount, trace)

    @staticmethod
    def rows(array: np.ndarray) -> Any:
        """(T, N, …) as (T · N, …), without a copy."""
        return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:])
