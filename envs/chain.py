"""Chain: a small reward nearby, a large one far away. The exploration trap.

States in a row, episodes beginning in the second. Going left pays a little at once; going right pays nothing until
the far end, where it pays a lot. Undirected exploration needs a number of episodes exponential in the length. The
start and the length of an episode follow Osband, Blundell, Pritzel & Van Roy (2016), Deep Exploration via
Bootstrapped DQN; slipping into the opposite action is from Strens (2000), A Bayesian Framework for Reinforcement
Learning, whose chain has five states and slips with probability 0.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from envs import drawing
from envs.model import TabularModel
from envs.tabular import TabularEnv

ACTION_SYMBOLS = ("←", "→")


class Chain(TabularEnv):
    """States 0 … length-1 in a row. Actions: 0 left, 1 right; at an end, a move outwards stays.

    A step that arrives or stays at state 0 pays `near_reward`, at state length-1 `far_reward`, elsewhere 0. No state
    is terminal: an episode is truncated after length + 9 steps, which leaves a few at the far end. With discount γ
    and no slip, always going right is worth γ^(d-1) · far_reward / (1-γ) at d ≥ 1 steps from the far end. `model` is
    the exact `TabularModel` (of the endless chain), `P` its toy-text form.

    Args:
        length: number of states, at least 3.
        near_reward: reward at the left end.
        far_reward: reward at the right end.
        slip: probability in [0, 1] that the opposite action is performed.
        observation: "index" for Discrete(length), "one_hot" for a float32 vector of `length` entries.
        render_mode: "ansi", "rgb_array" or None.

    Raises:
        ValueError: a number out of range.
    """

    def __init__(
        self,
        length: int = 10,
        *,
        near_reward: float = 0.001,
        far_reward: float = 1.0,
        slip: float = 0.0,
        observation: str = "index",
        render_mode: str | None = None,
    ):
        if length < 3:
            raise ValueError(
                f"length is {length}: a chain needs a near end, a start and a far end, so 3 states or more"
            )
        if not 0 <= slip <= 1:
            raise ValueError(f"slip is {slip}: it is a probability, from 0 (moves go as intended) to 1")
        for name, reward in (("near_reward", near_reward), ("far_reward", far_reward)):
            if not math.isfinite(reward):
                raise ValueError(f"{name} is {reward}: it must be a finite number")
        super().__init__(
            chain_model(length, near_reward, far_reward, slip), observation=observation, render_mode=render_mode
        )
        self.length, self.near_reward, self.far_reward = length, near_reward, far_reward
        self.episode_steps = length + 9
        self._steps_left = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self._steps_left = self.episode_steps
        return super().reset(seed=seed, options=options)

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, _, info = super().step(action)
        self._steps_left -= 1
        return observation, reward, terminated, self._steps_left <= 0, info

    def _text(self) -> str:
        row = "".join("@" if state == self.state else "." for state in range(self.length))
        return f"{self.near_reward:+g} |{row}| {self.far_reward:+g}\n"

    def _picture(self) -> np.ndarray:
        colours = np.empty((1, self.length, 3), np.uint8)
        colours[:] = drawing.FREE
        colours[0, 1] = drawing.START
        largest = max(abs(self.near_reward), abs(self.far_reward))
        colours[0, 0] = drawing.reward_colour(self.near_reward, largest)
        colours[0, -1] = drawing.reward_colour(self.far_reward, largest)
        return drawing.draw_agent(drawing.draw_cells(colours), 0, self.state, drawing.cell_size(1, self.length))


def chain_model(length: int, near_reward: float, far_reward: float, slip: float) -> TabularModel:
    """The exact model of the endless chain: S = length states, A = 2 actions, K = 2 outcomes (as meant, slipped)."""
    states = np.arange(length)
    left, right = np.maximum(states - 1, 0), np.minimum(states + 1, length - 1)
    successors = np.stack([np.stack([left, right], 1), np.stack([right, left], 1)], axis=1)  # (S, A, K)
    arriving = np.zeros(length)
    arriving[0], arriving[-1] = near_reward, far_reward
    start = np.zeros(length)
    start[1] = 1.0
    return TabularModel(
        successors=successors,
        probabilities=np.broadcast_to(np.array([1 - slip, slip]), successors.shape).copy(),
        rewards=arriving[successors],
        terminals=np.zeros(length, bool),
        start=start,
        action_symbols=ACTION_SYMBOLS,
    )
