"""Rollout: the one place that steps environments, and the only one that knows about autoreset.

Gymnasium's vector environments reset a finished sub-environment by themselves. In the default mode, NEXT_STEP,
the step after the last of an episode ignores its action and answers with the first observation of the next
episode. Nothing was decided in that step, so it is not a transition and must not reach a learner; `Step.transition`
says which rows are. Time t runs over vector steps, N over sub-environments:

    t      observation_t                 action_t   reward  terminated  transition
    7      second last of the episode    taken      r       True        True
    8      last of the episode           ignored    0       False       False        <- the reset row
    9      first of the next episode     taken      …       …           True

`terminated` ends the value (nothing follows), `truncated` only ends the episode (the last observation still has
a value, and a learner bootstraps from it).
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

import gymnasium as gym
import numpy as np

from neuralcore.errors import UserError
from neuralcore.seeding import derived_seed


@dataclass(frozen=True)
class Step:
    """One step of N environments. Arrays have N rows.

    Attributes:
        observation_t: what was seen before the action, (N, …).
        action_t: (N,) what was done.
        reward: (N,) float64, as the environment gave it.
        terminated, truncated: (N,) bool.
        transition: (N,) bool; False in a reset row.
    """

    observation_t: np.ndarray
    action_t: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    transition: np.ndarray


@dataclass(frozen=True)
class Episode:
    """A finished episode of sub-environment `env`: undiscounted return and number of transitions."""

    env: int
    episode_return: float
    length: int


class Rollout:
    """Steps a vector environment and counts episodes.

    Args:
        env: a gymnasium vector environment in autoreset mode NEXT_STEP.
        seed: of the first reset; a later `restart` has a seed of its own.

    Attributes:
        observations: (N, …) what the environments show now.
        episodes: the episodes finished since the list was last emptied by `take_episodes`.
    """

    def __init__(self, env: gym.vector.VectorEnv, seed: int):
        mode = env.metadata.get("autoreset_mode")
        if mode != gym.vector.AutoresetMode.NEXT_STEP:
            raise UserError(f"the vector environment's autoreset mode is {mode}; make it with NEXT_STEP")
        self.env, self.seed = env, seed
        dtype = env.single_observation_space.dtype
        self._real = dtype is not None and np.issubdtype(dtype, np.floating)
        self.episodes: list[Episode] = []
        self.restart(0)

    def restart(self, number: int) -> None:
        """Begin new episodes everywhere, with seeds that are a function of `number`; open ones are dropped."""
        seed = derived_seed(self.seed, "environment", number) % 2**31  # emulators take 32-bit seeds
        self.observations, _ = self.env.reset(seed=seed)
        self._finished = np.zeros(self.env.num_envs, dtype=bool)
        self._returns = np.zeros(self.env.num_envs)
        self._lengths = np.zeros(self.env.num_envs, dtype=np.int64)
        self._steps = 0

    def step(self, actions: np.ndarray) -> Step:
        """Act in all environments.

        Args:
            actions: (N,) in the single action space.
        """
        seen, transition = self.observations, ~self._finished
        self._steps += 1
        try:
            self.observations, reward, terminated, truncated, _ = self.env.step(actions)
        except Exception as error:
            error.add_note(self._whose(error, actions))
            raise
        reward = np.asarray(reward, dtype=np.float64)
        self._check_finite("reward", reward)
        if self._real:
            self._check_finite("observation", self.observations)
        self._returns += np.where(transition, reward, 0.0)
        self._lengths += transition
        self._finished = np.asarray(terminated | truncated) & transition
        for i in np.flatnonzero(self._finished):
            self.episodes.append(Episode(int(i), float(self._returns[i]), int(self._lengths[i])))
            self._returns[i], self._lengths[i] = 0.0, 0
        return Step(seen, actions, reward, np.asarray(terminated), np.asarray(truncated), transition)

    def _check_finite(self, what: str, values: np.ndarray) -> None:
        """Refuse NaN and infinities before they reach a learner."""
        finite = np.isfinite(values)
        if not finite.all():
            index = int(np.argwhere(~finite)[0][0])
            raise UserError(
                f"environment {index} gave {what} {np.asarray(values[index]).tolist()} at step {self._steps} since "
                f"the last restart: mend the environment (rlkit doctor checks it)"
            )

    def _whose(self, error: Exception, actions: np.ndarray) -> str:
        """Which copy raised, as far as Gymnasium's loop over the copies tells, and what was asked of it."""
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        loop = next((f for f in frames if f.f_code.co_filename.endswith("sync_vector_env.py")), None)
        index = loop.f_locals.get("i") if loop is not None else None
        where = (
            f"environment {index}, action {actions[index]}" if isinstance(index, int) else "the vector environment"
        )
        return f"{where}, at step {self._steps} since the last restart"

    def take_episodes(self) -> list[Episode]:
        """The episodes finished since the last call."""
        episodes, self.episodes = self.episodes, []
        return episodes
