"""Acts by looking up the state's number in a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Discrete

from agents.agent import Memoryless, is_single, likely, read_agent, write_agent
from neuralcore.errors import UserError


class TabularAgent(Memoryless):
    """A policy over numbered states. Axes: S states, A actions, N observations.

    Args:
        policy: (S,) integers, the action of each state counted from 0; or (S, A), the probability of each action.
        observation_space: Discrete(S). action_space: Discrete(A).
        seed: of its own generator, which draws actions from probabilities.

    Raises:
        UserError: the table does not fit the spaces, or a row is no distribution.
    """

    def __init__(self, policy: np.ndarray, observation_space: gym.Space, action_space: gym.Space, *, seed: int = 0):
        if not (isinstance(observation_space, Discrete) and isinstance(action_space, Discrete)):
            raise UserError(
                f"a table needs Discrete observations and actions, not {observation_space} and {action_space}"
            )
        self.observation_space: gym.Space = observation_space
        self.action_space: Discrete = action_space
        self.policy = _checked(np.asarray(policy), int(observation_space.n), int(action_space.n))
        self._first_state, self._first_action = int(observation_space.start), int(action_space.start)
        self.seed = seed
        self._generator = np.random.default_rng(seed)

    def act(self, observations: Any, *, deterministic: bool = False) -> Any:
        """Actions for one state or for (N,) of them; `deterministic` takes the likeliest instead of drawing.

        Raises:
            UserError: an observation that is not the number of a state.
        """
        states = np.asarray(observations)
        single = is_single(states, self.observation_space)
        states = self._rows(states[None] if single else states)
        if self.policy.ndim == 1:
            actions = self.policy[states]
        elif deterministic:
            actions = self.policy[states].argmax(axis=1)
        else:
            cumulative = self.policy[states].cumsum(axis=1)
            drawn = self._generator.random((len(states), 1)) * cumulative[:, -1:]
            actions = (cumulative <= drawn).sum(axis=1)
        actions = actions + self._first_action
        return actions[0] if single else actions

    def action_probabilities(self, observations: Any, *, deterministic: bool = False) -> np.ndarray:
        """(N, A) for the numbers (N,) of states."""
        policy = self.policy[self._rows(np.asarray(observations))]
        if policy.ndim == 2 and not deterministic:
            return policy
        return likely(policy if policy.ndim == 1 else policy.argmax(axis=1), int(self.action_space.n))

    def _rows(self, states: np.ndarray) -> np.ndarray:
        first, count = self._first_state, len(self.policy)
        if not np.issubdtype(states.dtype, np.integer):
            raise UserError(f"observations are {states.dtype}: this agent takes the numbers of states as integers")
        outside = (states < first) | (states >= first + count)
        if outside.any():
            raise UserError(
                f"observation {states[outside.argmax()]} is no state of this agent: "
                f"it knows {first} to {first + count - 1}"
            )
        return states - first

    def save(self, folder: str | Path) -> Path:
        return write_agent(
            folder,
            "TabularAgent",
            self.observation_space,
            self.action_space,
            {"policy": self.policy},
            {"seed": self.seed},
        )

    @classmethod
    def load(cls, folder: str | Path) -> TabularAgent:
        description, arrays = read_agent(folder, "TabularAgent")
        spaces = description["observation_space"], description["action_space"]
        return cls(arrays["policy"], *spaces, seed=description["seed"])


def _checked(policy: np.ndarray, states: int, actions: int) -> np.ndarray:
    """The table as (S,) int64 or (S, A) float64."""
    if policy.shape == (states,) and np.issubdtype(policy.dtype, np.integer):
        wrong = (policy < 0) | (policy >= actions)
        if wrong.any():
            state = int(wrong.argmax())
            raise UserError(f"policy[{state}] is action {policy[state]}: actions are 0 to {actions - 1}")
        return policy.astype(np.int64)
    if policy.shape == (states, actions):
        policy = policy.astype(np.float64)
        wrong = ~((policy >= 0).all(axis=1) & (np.abs(policy.sum(axis=1) - 1) <= 1e-6))
        if wrong.any():
            state = int(wrong.argmax())
            raise UserError(f"policy[{state}] is {policy[state]}: it must be probabilities that sum to 1")
        return policy
    raise UserError(
        f"the policy is {policy.dtype} of shape {policy.shape}: it must be integers ({states},) "
        f"or probabilities ({states}, {actions})"
    )
