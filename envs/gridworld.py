"""GridWorld: a robot on a grid whose moves may slip (Russell & Norvig, AIMA, 3rd edition, section 17.1).

Rewards follow Gymnasium's convention: a step from s to s' pays

    r(s, s') = living_reward + terminal_rewards[s'] if s' is terminal,

and the episode ends on entering s'. AIMA pays R(s) in each state instead and lets U(terminal) = R(terminal), so that
there the terminal reward is discounted once more: U(s) = R(s) + γ max_a Σ P U(s'). The two agree at discount 1,
which AIMA's 4 x 3 world uses; for other discounts the terminal reward weighs 1/γ more here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from envs import drawing
from envs.layouts import START, TERMINAL_REWARDS, WALL, read_layout
from envs.model import TabularModel
from envs.tabular import TabularEnv

ACTION_SYMBOLS = ("↑", "→", "↓", "←")
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # (rows, columns), clockwise, so that a ± 1 is at right angles to a


class GridWorld(TabularEnv):
    """A grid of free cells, walls and terminals. Actions: 0 up, 1 right, 2 down, 3 left.

    A move goes as intended with probability 1 - slip and to either side, at right angles, with probability slip/2
    each; a move into a wall or off the grid stays in place. States are the cells that are not walls, terminals
    included, numbered row by row. `model` is the exact `TabularModel`, `P` its toy-text form.

    Args:
        layout: a name in `envs.layouts.LAYOUTS`, a drawing, or the path of a .txt file with one.
        slip: probability in [0, 1] of not going as intended.
        living_reward: paid on every step.
        terminal_rewards: reward for entering a terminal, by its symbol in the drawing. Given symbols override or
            extend the defaults {"+": 1, "G": 1, "-": -1, "X": -1, "T": 0}.
        observation: "index" for Discrete(S), "one_hot" for a float32 vector of S entries.
        render_mode: "ansi", "rgb_array" or None.

    Raises:
        ValueError: bad layout (with line and column), a number out of range, a terminal symbol the layout lacks.
    """

    def __init__(
        self,
        layout: str | Path = "russell_norvig",
        *,
        slip: float = 0.2,
        living_reward: float = -0.04,
        terminal_rewards: Mapping[str, float] | None = None,
        observation: str = "index",
        render_mode: str | None = None,
    ):
        rewards = {**TERMINAL_REWARDS, **(terminal_rewards or {})}
        _check_numbers(slip, living_reward, rewards)
        self.cells = read_layout(layout, rewards)  # (H, W) symbols
        self.terminal_rewards = {symbol: rewards[symbol] for symbol in rewards if (self.cells == symbol).any()}
        for symbol in terminal_rewards or {}:
            if symbol not in self.terminal_rewards:
                raise ValueError(
                    f"terminal_rewards names {symbol!r}, which the layout does not contain: leave it out"
                )
        model = grid_model(self.cells, self.terminal_rewards, slip, living_reward)
        super().__init__(model, observation=observation, render_mode=render_mode)
        self._positions = np.argwhere(self.cells != WALL)  # (S, 2) row and column of each state

    def _text(self) -> str:
        cells = self.cells.copy()
        cells[tuple(self._positions[self.state])] = "@"
        legend = "  ".join(f"{symbol} {reward:+g}" for symbol, reward in self.terminal_rewards.items())
        rows = "\n".join("".join(row) for row in cells.tolist())
        return f"{rows}\n@ agent  {WALL} wall  {legend}".rstrip() + "\n"

    def _picture(self) -> np.ndarray:
        row, column = self._positions[self.state].tolist()
        return drawing.draw_agent(self._background, row, column, drawing.cell_size(*self.cells.shape))

    @cached_property
    def _background(self) -> np.ndarray:
        colours = np.empty((*self.cells.shape, 3), np.uint8)
        colours[:] = drawing.FREE
        colours[self.cells == WALL] = drawing.WALL
        colours[self.cells == START] = drawing.START
        rewards = self.terminal_rewards.values()
        for symbol, reward in self.terminal_rewards.items():
            largest = max(abs(other) for other in rewards if (other > 0) == (reward > 0))  # of the gains, or losses
            colours[self.cells == symbol] = drawing.reward_colour(reward, largest)
        return drawing.draw_cells(colours)


def grid_model(
    cells: np.ndarray, terminal_rewards: Mapping[str, float], slip: float, living_reward: float
) -> TabularModel:
    """The exact model of a grid, without a loop over cells.

    Args:
        cells: (H, W) symbols as `read_layout` gives them.
        terminal_rewards: reward of entering, by terminal symbol.
        slip: probability in [0, 1]; 0 leaves one outcome an action (K = 1), otherwise K = 3: ahead, left, right.
        living_reward: paid on every step.

    Returns:
        The model of S states (cells that are not walls) and 4 actions, with `grid`.
    """
    height, width = cells.shape
    open_cells = cells != WALL
    n_states = int(open_cells.sum())
    states = np.arange(n_states, dtype=np.int32)
    grid = np.full((height, width), -1, np.int32)
    grid[open_cells] = states

    entering = np.zeros(n_states)
    terminals = np.zeros(n_states, bool)
    for symbol, reward in terminal_rewards.items():
        here = cells[open_cells] == symbol
        entering[here], terminals[here] = reward, True

    # neighbours[d]: where a move in direction d leads; a wall, the edge and a terminal's own absorption lead nowhere.
    walled = np.pad(grid, 1, constant_values=-1)
    neighbours = np.empty((4, n_states), np.int32)
    for direction, (rows, columns) in enumerate(MOVES):
        target = walled[1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width][open_cells]
        neighbours[direction] = np.where((target < 0) | terminals, states, target)

    turns, chances = ((0, -1, 1), (1 - slip, slip / 2, slip / 2)) if slip > 0 else ((0,), (1.0,))
    directions = (np.arange(4)[:, None] + turns) % 4  # (A, K)
    successors = np.ascontiguousarray(np.moveaxis(neighbours[directions], 2, 0))  # (S, A, K)
    rewards = living_reward + entering[successors]
    rewards[terminals] = 0.0
    first = cells[open_cells] == START
    if not first.any():
        first = ~terminals
    return TabularModel(
        successors=successors,
        probabilities=np.broadcast_to(np.array(chances), successors.shape),
        rewards=rewards,
        terminals=terminals,
        start=first / first.sum(),
        action_symbols=ACTION_SYMBOLS,
        grid=grid,
    )


def _check_numbers(slip: float, living_reward: float, terminal_rewards: Mapping[str, float]) -> None:
    if not 0 <= slip <= 1:
        raise ValueError(f"slip is {slip}: it is a probability, from 0 (moves go as intended) to 1")
    if not math.isfinite(living_reward):
        raise ValueError(f"living_reward is {living_reward}: it must be a finite number")
    for symbol, reward in terminal_rewards.items():
        if not isinstance(symbol, str) or len(symbol) != 1 or symbol in f"{WALL}{START}. @":
            raise ValueError(
                f"terminal_rewards names {symbol!r}: a terminal is one character; "
                f"{WALL} {START} . @ and space are taken"
            )
        if not math.isfinite(reward):
            raise ValueError(f"terminal_rewards[{symbol!r}] is {reward}: it must be a finite number")
