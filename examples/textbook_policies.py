"""How the best policy depends on the living reward and on the discount (Russell & Norvig, section 17.1).

    python examples/textbook_policies.py                 writes docs/policies.png

The 4 x 3 world: a robot that slips sideways with probability .2, a goal of +1, a pit of -1. Above, the living reward
falls at discount 1; below, the discount falls with a bigger world whose near reward is small.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
from matplotlib.figure import Figure

import envs  # noqa: F401 registers GridWorld-v0
from rlkit import solve
from rlkit.drawing import draw_grid
from rlkit.solution import Solution

OUT = Path(__file__).resolve().parent.parent / "docs" / "policies.png"
LIVING_REWARDS = (-0.01, -0.04, -0.4, -2.0)
DISCOUNTS = (0.99, 0.9, 0.7, 0.3)
ROOM = "+...X\n.##..\n....G\nS..X."  # + is near and small, G far and large, X a pit


def living(reward: float) -> Solution:
    """The 4 x 3 world at discount 1."""
    return solve(gym.make("GridWorld-v0", living_reward=reward), discount=1)


def discounted(discount: float) -> Solution:
    """A near reward of 1 and one of 10 that is twice as far."""
    rewards = {"+": 1.0, "G": 10.0, "X": -10.0}
    room = gym.make("GridWorld-v0", layout=ROOM, living_reward=0.0, terminal_rewards=rewards)
    return solve(room, discount=discount)


def main() -> None:
    figure = Figure(figsize=(17, 7.4), dpi=110)
    rows = (
        [(f"living reward {reward:g}", living(reward)) for reward in LIVING_REWARDS],
        [(f"discount {discount:g}", discounted(discount)) for discount in DISCOUNTS],
    )
    for row, worlds in enumerate(rows):
        for column, (title, solution) in enumerate(worlds):
            axes = figure.add_subplot(2, 4, 4 * row + column + 1)
            grid = solution.mdp.grid
            assert grid is not None
            draw_grid(axes, grid, solution.values, solution.policy, solution.mdp.terminals, scale=0.85)
            axes.set_title(title, fontsize=13, loc="left")
    figure.tight_layout(pad=1.5)
    figure.savefig(OUT)
    print(f"drawn to {OUT}")


if __name__ == "__main__":
    main()
