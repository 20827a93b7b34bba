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

import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import gymnasium as gym
import numpy as np

from neuralcore.errors import UserError
from rlkit.history import History


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
        began: when the step that is being taken began, by `time.monotonic`; None between steps.
    """

    def __init__(self, env: gym.vector.VectorEnv, seed: int):
        mode = env.metadata.get("autoreset_mode")
        if mode != gym.vector.AutoresetMode.NEXT_STEP:
            raise UserError(f"the vector environment's autoreset mode is {mode}; make it with NEXT_STEP")
        self.env = env
        self.history = History(env, seed)
        dtype = env.single_observation_space.dtype
        self._real = dtype is not None and np.issubdtype(dtype, np.floating)
        self.episodes: list[Episode] = []
        self.began: float | None = None
        self.restart(0)

    def restart(self, number: int) -> None:
        """Begin new episodes everywhere, with seeds that are a function of `number`; open ones are dropped."""
        self.observations = self.history.begin(number)
        self._finished = np.zeros(self.env.num_envs, dtype=bool)
        self._returns = np.zeros(self.env.num_envs)
        self._lengths = np.zeros(self.env.num_envs, dtype=np.int64)
        self._steps = 0

    @property
    def begins(self) -> np.ndarray:
        """(N,) bool, where `observations` is the first of an episode: whatever remembers an episode forgets here."""
        return (self._lengths == 0) & ~self._finished

    def step(self, actions: np.ndarray) -> Step:
        """Act in all environments.

        Args:
            actions: (N,) in the single action space.
        """
        seen, transition = self.observations, ~self._finished
        self._steps += 1
        self.began = time.monotonic()
        try:
            self.observations, reward, terminated, truncated, _ = self.env.step(actions)
        except Exception as error:
            error.add_note(self.whose(frame for frame, _ in traceback.walk_tb(error.__traceback__)))
            raise
        finally:
            self.began = None
        renewed = self.history.note(actions, self._finished)
        if renewed is not None:
            self.observations = renewed
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

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Where the environments and their open episodes are, as plain values and arrays."""
        plain, arrays = self.history.state()
        own = {
            "observations": self.observations,
            "returns": self._returns,
            "lengths": self._lengths,
            "finished": self._finished,
        }
        return {"steps": self._steps, "history": plain}, {**own, **{f"history.{n}": a for n, a in arrays.items()}}

    def restore(self, plain: dict[str, Any], arrays: dict[str, np.ndarray], *, environments: bool = True) -> None:
        """Become what `state` was taken from; without `environments`, these stay where they are.

        Raises:
            UserError: the environments cannot be brought there, because they are not deterministic.
        """
        if environments:
            past = {n.removeprefix("history."): a for n, a in arrays.items() if n.startswith("history.")}
            self.history.restore(plain["history"], past, arrays["observations"])
        self.observations = arrays["observations"].copy()
        self._returns, self._lengths = arrays["returns"].copy(), arrays["lengths"].copy()
        self._finished = arrays["finished"].copy()
        self._steps = plain["steps"]

    def _check_finite(self, what: str, values: np.ndarray) -> None:
        """Refuse NaN and infinities before they reach a learner."""
        finite = np.isfinite(values)
        if not finite.all():
            index = int(np.argwhere(~finite)[0][0])
            raise UserError(
                f"environment {index} gave {what} {np.asarray(values[index]).tolist()} at step {self._steps} since "
                f"the last restart: mend the environment (rlkit doctor checks it)"
            )

    def whose(self, frames: Iterable[FrameType]) -> str:
        """Which copy is in its step, as far as Gymnasium's loop over the copies tells, and what was asked of it.

        Args:
            frames: of the calls under way, that of `step` among them.
        """
        calls = list(frames)
        step = next(f for f in calls if f.f_code is Rollout.step.__code__)
        loop = next((f for f in calls if f.f_code.co_filename.endswith("sync_vector_env.py")), None)
        index = loop.f_locals.get("i") if loop is not None else None
        where = "the vector environment"
        if isinstance(index, int):
            where = f"environment {index}, action {step.f_locals['actions'][index]}"
        return f"{where}, at step {self._steps} since the last restart"

    def take_episodes(self) -> list[Episode]:
        """The episodes finished since the last call."""
        episodes, self.episodes = self.episodes, []
        return episodes
