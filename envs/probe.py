"""Probe environments: so small that the right answer is known, each failing for one kind of bug.

After Andy Jones, Debugging Reinforcement Learning Systems (andyljones.com/posts/rl-debugging.html). Run them in this
order; the first that an algorithm misses names the suspect.

    ProbeValue        one action, one observation, one step, reward 1       the value head, its loss, the optimiser
    ProbeObservation  observation ±1, the reward equals it                  the path from observation to value
    ProbeDiscount     two steps, reward 1 at the end                        the discount and the bootstrap
    ProbeTruncation   reward 1 a step, truncated and never terminated       bootstrapping where an episode is cut
    ProbeAction       two actions, the reward depends on the action         the policy, the advantage
    ProbePolicy       observation ±1, reward 1 if the action matches        policy and value together
    ProbeImage        a bright square in one of four quadrants of a frame   the convolution trunk

`answer(discount)` of each class gives every observation with the exact value of each action in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from envs.errors import unknown_name


class Answer(NamedTuple):
    """The exact solution of a probe with N distinct observations and A actions."""

    observations: np.ndarray  # (N, *observation shape)
    action_values: np.ndarray  # (N, A) float64: Q*(observation, action)

    @property
    def values(self) -> np.ndarray:
        """(N,) float64: V*, the value of the best action."""
        return self.action_values.max(axis=1)


class Probe(gym.Env):
    """Shared by the probes: spaces, rendering and the API; a subclass says what happens.

    A subclass sets `n_actions` and implements `_begin`, which draws the first situation, `_current`, which observes
    it, and `_act`, which gives (reward, terminated, truncated). Observations are (1,) float32 unless it says
    otherwise.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}  # noqa: RUF012 (Gymnasium's)
    n_actions = 1

    def __init__(self, *, render_mode: str | None = None):
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise unknown_name("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.observation_space: gym.Space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(self.n_actions)

    @classmethod
    def answer(cls, discount: float) -> Answer:
        """Every observation and the exact value of each action in it, for a discount in [0, 1)."""
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._begin()
        return self._current(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}: actions are 0 to {self.n_actions - 1}")
        reward, terminated, truncated = self._act(int(action))
        return self._current(), reward, terminated, truncated, {}

    def render(self) -> Any:
        observation = self._current()
        if self.render_mode == "ansi":
            return f"{type(self).__name__}: observation {float(observation[0]):+g}\n"
        if self.render_mode == "rgb_array":
            grey = round(127.5 * (1 + float(observation[0])))
            return np.full((64, 64, 3), grey, np.uint8)
        gym.logger.warn("render() was called without a render mode: pass render_mode='ansi' or 'rgb_array' to make()")
        return None

    def _begin(self) -> None:
        pass

    def _current(self) -> np.ndarray:
        return np.zeros(1, np.float32)

    def _act(self, action: int) -> tuple[float, bool, bool]:
        raise NotImplementedError


class ProbeValue(Probe):
    """One step, observation 0, reward 1: the value is 1."""

    @classmethod
    def answer(cls, discount: float) -> Answer:
        return Answer(np.zeros((1, 1), np.float32), np.array([[1.0]]))

    def _act(self, action: int) -> tuple[float, bool, bool]:
        return 1.0, True, False


class SignProbe(Probe):
    """A probe that begins by drawing `sign`, -1 or +1 with equal chances, and observes it."""

    def _begin(self) -> None:
        self.sign = float(self.np_random.choice([-1.0, 1.0]))

    def _current(self) -> np.ndarray:
        return np.array([self.sign], np.float32)


class ProbeObservation(SignProbe):
    """One step, observation -1 or +1 at random, the reward equals it: the value is the observation."""

    @classmethod
    def answer(cls, discount: float) -> Answer:
        return Answer(np.array([[-1.0], [1.0]], np.float32), np.array([[-1.0], [1.0]]))

    def _act(self, action: int) -> tuple[float, bool, bool]:
        return self.sign, True, False


class ProbeDiscount(Probe):
    """Two steps, observation 0 and then 1, reward 1 for the second: the values are γ and 1.

    The observation after the second step is 1 once more; as the episode has terminated, its value must not matter.
    """

    @classmethod
    def answer(cls, discount: float) -> Answer:
        return Answer(np.array([[0.0], [1.0]], np.float32), np.array([[discount], [1.0]]))

    def _begin(self) -> None:
        self.steps = 0

    def _current(self) -> np.ndarray:
        return np.array([min(self.steps, 1)], np.float32)

    def _act(self, action: int) -> tuple[float, bool, bool]:
        self.steps += 1
        return (1.0, True, False) if self.steps >= 2 else (0.0, False, False)


class ProbeTruncation(Probe):
    """Reward 1 a step for ever, observation 0; cut (truncated) after `LENGTH` steps and never terminated.

    The value is 1/(1-γ). Taking the cut for an end gives less: at most (1 - γ^LENGTH)/(1-γ).
    """

    LENGTH = 5

    @classmethod
    def answer(cls, discount: float) -> Answer:
        return Answer(np.zeros((1, 1), np.float32), np.array([[1 / (1 - discount)]]))

    def _begin(self) -> None:
        self.steps = 0

    def _act(self, action: int) -> tuple[float, bool, bool]:
        self.steps += 1
        return 1.0, False, self.steps >= self.LENGTH


class ProbeAction(Probe):
    """One step, observation 0: action 1 pays 1, action 0 pays -1."""

    n_actions = 2

    @classmethod
    def answer(cls, discount: float) -> Answer:
        return Answer(np.zeros((1, 1), np.float32), np.array([[-1.0, 1.0]]))

    def _act(self, action: int) -> tuple[float, bool, bool]:
        return 2.0 * action - 1.0, True, False


class ProbePolicy(SignProbe):
    """One step, observation -1 or +1: reward 1 for action 0 on -1 and for action 1 on +1, else 0."""

    n_actions = 2

    @classmethod
    def answer(cls, discount: float) -> Answer:
        return Answer(np.array([[-1.0], [1.0]], np.float32), np.eye(2))

    def _act(self, action: int) -> tuple[float, bool, bool]:
        return float((action == 1) == (self.sign > 0)), True, False


class ProbeImage(Probe):
    """One step, frames shaped as Atari's: reward 1 if the action names the quadrant of the bright square, else 0.

    Observations are (4, 84, 84) uint8, zero but for a square of 20 x 20 pixels of 255 in the middle of one quadrant
    (0 top left, 1 top right, 2 bottom left, 3 bottom right), the same in all four frames.
    """

    n_actions = 4

    def __init__(self, *, render_mode: str | None = None):
        super().__init__(render_mode=render_mode)
        self.observation_space = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)

    @classmethod
    def answer(cls, discount: float) -> Answer:
        return Answer(np.stack([cls._frames(quadrant) for quadrant in range(4)]), np.eye(4))

    @staticmethod
    def _frames(quadrant: int) -> np.ndarray:
        top, left = 11 + 42 * (quadrant // 2), 11 + 42 * (quadrant % 2)
        frames = np.zeros((4, 84, 84), np.uint8)
        frames[:, top : top + 20, left : left + 20] = 255
        return frames

    def _begin(self) -> None:
        self.quadrant = int(self.np_random.integers(4))

    def _current(self) -> np.ndarray:
        return self._frames(self.quadrant)

    def _act(self, action: int) -> tuple[float, bool, bool]:
        return float(action == self.quadrant), True, False

    def render(self) -> Any:
        if self.render_mode == "ansi":
            squares = ["#" if quadrant == self.quadrant else "." for quadrant in range(4)]
            return f"{squares[0]}{squares[1]}\n{squares[2]}{squares[3]}\n"
        if self.render_mode == "rgb_array":
            return self._frames(self.quadrant)[-1][..., None].repeat(3, axis=2).repeat(2, axis=0).repeat(2, axis=1)
        return super().render()


PROBES: dict[str, type[Probe]] = {
    f"{probe.__name__}-v0": probe
    for probe in (
        ProbeValue,
        ProbeObservation,
        ProbeDiscount,
        ProbeTruncation,
        ProbeAction,
        ProbePolicy,
        ProbeImage,
    )
}
