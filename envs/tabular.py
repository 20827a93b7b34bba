"""An environment driven by its own exact model: what GridWorld and Chain share."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np

from envs.errors import unknown_name
from envs.model import TabularModel, ToyText, toy_text

OBSERVATIONS = ("index", "one_hot")


class TabularEnv(gym.Env):
    """Samples episodes from a `TabularModel`; a subclass builds the model and draws it.

    Args:
        model: S states, A actions.
        observation: "index" observes the state's number, Discrete(S); "one_hot" a float32 vector of S entries with
            a 1 at that number, for agents that want vectors.
        render_mode: "ansi" (text), "rgb_array" (uint8 picture) or None.

    `reset(options={"state": s})` begins in state s instead of a drawn one (exploring starts). The info of `reset` and
    `step` holds the state's number under "state". `state` is the current one.

    Raises:
        ValueError: an unknown observation or render mode, a start or an action out of range.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's)

    def __init__(self, model: TabularModel, *, observation: str = "index", render_mode: str | None = None):
        self.observation_space = observation_space(model, observation)
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise unknown_name("render_mode", render_mode, self.metadata["render_modes"])
        self.model = model
        self.observation = observation
        self.render_mode = render_mode
        self.state = 0
        self._start_cumulative = np.cumsum(model.start)
        self.action_space = gym.spaces.Discrete(model.successors.shape[1])

    @cached_property
    def P(self) -> ToyText:  # noqa: N802 (the toy-text name)
        """`P[s][a] = [(probability, next state, reward, terminated), …]`, built on first use."""
        return toy_text(self.model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        first = first_state(self.model, options)
        self.state = _sample(self._start_cumulative, self.np_random) if first is None else first
        return self._observe(), {"state": self.state}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}: actions are {describe_actions(self.model)}")
        model, state = self.model, self.state
        outcome = _sample(np.cumsum(model.probabilities[state, action]), self.np_random)
        self.state = int(model.successors[state, action, outcome])
        reward = float(model.rewards[state, action, outcome])
        return self._observe(), reward, bool(model.terminals[self.state]), False, {"state": self.state}

    def render(self) -> Any:
        if self.render_mode == "ansi":
            return self._text()
        if self.render_mode == "rgb_array":
            return self._picture()
        gym.logger.warn("render() was called without a render mode: pass render_mode='ansi' or 'rgb_array' to make()")
        return None

    def observations(self, states: np.ndarray) -> np.ndarray:
        """What each of the states (N,) looks like to an agent: (N,) numbers, or (N, S) float32 with a 1 each."""
        return np.asarray(states) if self.observation == "index" else one_hot(states, len(self.model.start))

    def _observe(self) -> Any:
        return self.state if self.observation == "index" else self.observations(np.array([self.state]))[0]

    def _text(self) -> str:
        raise NotImplementedError

    def _picture(self) -> np.ndarray:
        raise NotImplementedError


def observation_space(model: TabularModel, observation: str) -> gym.Space:
    """What one environment shows of the model's states.

    Raises:
        ValueError: `observation` is neither "index" nor "one_hot".
    """
    if observation not in OBSERVATIONS:
        raise unknown_name("observation", observation, OBSERVATIONS)
    n_states = len(model.start)
    if observation == "index":
        return gym.spaces.Discrete(n_states)
    return gym.spaces.Box(0.0, 1.0, (n_states,), np.float32)


def one_hot(states: np.ndarray, n_states: int) -> np.ndarray:
    """(N,) numbers of states -> float32 (N, n_states) with a 1 at each."""
    rows = np.zeros((len(states), n_states), np.float32)
    rows[np.arange(len(states)), states] = 1.0
    return rows


def first_state(model: TabularModel, options: dict[str, Any] | None) -> int | None:
    """The state that the options of a reset name under "state", or None where it is to be drawn.

    Raises:
        ValueError: the model has no such state.
    """
    first = (options or {}).get("state")
    n_states = len(model.start)
    if first is not None and not 0 <= first < n_states:
        raise ValueError(f"options['state'] is {first}: this environment has the states 0 to {n_states - 1}")
    return None if first is None else int(first)


def describe_actions(model: TabularModel) -> str:
    """The actions in words, as in "0 ↑, 1 →"."""
    return ", ".join(f"{number} {symbol}" for number, symbol in enumerate(model.action_symbols))


def _sample(cumulative: np.ndarray, generator: np.random.Generator) -> int:
    """An index drawn with the probabilities whose running sums are `cumulative`.

    The sum may miss 1 by a rounding error; scaling by it keeps an outcome of probability 0 from ever being drawn.
    """
    return int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right"))
