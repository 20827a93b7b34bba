"""Worlds whose solutions are printed: Russell & Norvig's 4 x 3, Sutton & Barto's grids, gambler and car rental."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from rlkit import MDP, policies, policy_iteration, solve, value_iteration

pytest.importorskip("envs")

# Russell & Norvig (3rd edition), figure 17.2 (b): the policies for these living rewards, row by row without the wall
# and the terminals; figure 17.2 (a) for -0.04.
POLICIES = {
    -0.01: "→→→ ↑← ↑←←↓",
    -0.04: "→→→ ↑↑ ↑←←←",
    -0.4: "→→→ ↑↑ ↑→↑←",
    -2.0: "→→→ ↑→ →→→↑",
}


@pytest.mark.parametrize("living_reward", POLICIES)
def test_the_textbook_policies(living_reward: float):
    solution = solve(gym.make("GridWorld-v0", living_reward=living_reward), discount=1)
    arrows = [solution.mdp.grid.action_symbols[a] for a in solution.policy[~solution.mdp.terminals]]
    assert "".join(arrows) == POLICIES[living_reward].replace(" ", "")


# Sutton & Barto, Reinforcement Learning (2nd edition), figure 4.1: k = ∞.
RANDOM_WALK = [[0, -14, -20, -22], [-14, -18, -20, -20], [-20, -20, -18, -14], [-22, -20, -14, 0]]


def test_four_by_four():
    env = gym.make("GridWorld-v0", layout="sutton_barto_4x4", slip=0.0, living_reward=-1.0)
    mdp = MDP.of(env)
    uniform = np.full((16, 4), 0.25)
    np.testing.assert_allclose(policies.evaluate(mdp, uniform, 1.0).reshape(4, 4), RANDOM_WALK, atol=1e-9)
    solved = solve(mdp, discount=1)
    assert solved.values.reshape(4, 4).tolist() == [
        [0, -1, -2, -3],
        [-1, -2, -3, -2],
        [-2, -3, -2, -1],
        [-3, -2, -1, 0],
    ]


# Figures 3.2 and 3.5 of the same book: the values of the random and of the best policy.
RANDOM_5X5 = [
    [3.3, 8.8, 4.4, 5.3, 1.5],
    [1.5, 3.0, 2.3, 1.9, 0.5],
    [0.1, 0.7, 0.7, 0.4, -0.4],
    [-1.0, -0.4, -0.4, -0.6, -1.2],
    [-1.9, -1.3, -1.2, -1.4, -2.0],
]
BEST_5X5 = [
    [22.0, 24.4, 22.0, 19.4, 17.5],
    [19.8, 22.0, 19.8, 17.8, 16.0],
    [17.8, 19.8, 17.8, 16.0, 14.4],
    [16.0, 17.8, 16.0, 14.4, 13.0],
    [14.4, 16.0, 14.4, 13.0, 11.7],
]


def five_by_five() -> MDP:
    """Example 3.5: from A and B every action leaps for 10 and 5; leaving the grid costs 1 and stays."""
    cells = [(row, column) for row in range(5) for column in range(5)]

    def outcomes(cell: tuple[int, int], action: str) -> list[tuple[float, tuple[int, int], float]]:
        leap = {(0, 1): ((4, 1), 10.0), (0, 3): ((2, 3), 5.0)}.get(cell)
        if leap:
            return [(1.0, *leap)]
        row, column = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}[action]
        moved = cell[0] + row, cell[1] + column
        return [(1.0, moved, 0.0) if moved in cells else (1.0, cell, -1.0)]

    return MDP.from_function(outcomes, cells, ["up", "right", "down", "left"])


def test_five_by_five():
    mdp = five_by_five()
    values = policies.evaluate(mdp, np.full((25, 4), 0.25), 0.9)
    np.testing.assert_allclose(values.reshape(5, 5), RANDOM_5X5, atol=0.051)
    np.testing.assert_allclose(solve(mdp, discount=0.9).values.reshape(5, 5), BEST_5X5, atol=0.051)
    assert "(0, 1)" in solve(mdp, discount=0.9).text()


@pytest.mark.parametrize("heads", [0.25, 0.4])
def test_gambler(heads: float):
    """Example 4.3. Below even chances bold play is best, whose values are known at the quarters."""

    def outcomes(capital: int, stake: int) -> list[tuple[float, int, float]]:
        if capital in (0, 100):
            return []
        stake = min(stake, capital, 100 - capital)
        won = capital + stake
        return [(heads, won, float(won == 100)), (1 - heads, capital - stake, 0.0)]

    mdp = MDP.from_function(outcomes, 101, 51)
    assert np.flatnonzero(mdp.terminals).tolist() == [0, 100]
    for planner in (value_iteration, solve):
        # Staking nothing goes round for ever and pays nothing, which is no better than losing.
        values = planner(mdp, discount=1, tolerance=1e-12).values
        lost = 1 - heads
        np.testing.assert_allclose(values[[25, 50, 75]], [heads**2, heads, heads + lost * heads], atol=1e-9)
        assert (np.diff(values[:100]) > 0).all()


def test_car_rental():
    """Example 4.2: the fifth policy is the last (figure 4.2), moves five cars from (20, 0); values from 420."""
    rent, move, most, days = 10.0, 2.0, 20, 0.9
    cars = np.arange(most + 1)
    chances = [poisson(mean, 40) for mean in (3, 4)], [poisson(mean, 40) for mean in (3, 2)]

    def location(asked: np.ndarray, returned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(cars before, cars after) probabilities, and the expected rent of each number before."""
        after, earned = np.zeros((most + 1, most + 1)), np.zeros(most + 1)
        for before in cars:
            for wanted, chance in enumerate(asked):
                rented = min(wanted, before)
                earned[before] += chance * rent * rented
                arriving = np.minimum(before - rented + np.arange(len(returned)), most)
                np.add.at(after[before], arriving, chance * returned)
        return after, earned

    (first, earned_first), (second, earned_second) = (location(*pair) for pair in zip(*chances))
    size = (most + 1) ** 2
    matrices, rewards = [], np.zeros((size, 11))
    for index, moved in enumerate(range(-5, 6)):
        a, b = (grid.reshape(-1) for grid in np.meshgrid(cars, cars, indexing="ij"))
        carried = np.clip(moved, -b, a)  # no more than are there
        left, arrived = np.minimum(a - carried, most), np.minimum(b + carried, most)
        matrices.append(np.einsum("si,sj->sij", first[left], second[arrived]).reshape(size, size))
        rewards[:, index] = earned_first[left] + earned_second[arrived] - move * np.abs(carried)
    solution = policy_iteration((np.stack(matrices), rewards), discount=days)
    values = solution.values.reshape(most + 1, most + 1)
    assert solution.iterations <= 6
    assert values.min() == pytest.approx(420, abs=2)
    assert solution.policy.reshape(most + 1, most + 1)[20, 0] - 5 == 5
    for method in ("auto", "modified-policy-iteration", "prioritised"):
        np.testing.assert_allclose(
            solve((np.stack(matrices), rewards), method, discount=days).values, solution.values, atol=1e-4
        )


def poisson(mean: float, most: int) -> np.ndarray:
    """The probabilities of 0 … most, what is missing going to the last."""
    from math import exp, factorial

    chances = np.array([exp(-mean) * mean**n / factorial(n) for n in range(most + 1)])
    chances[-1] += 1 - chances.sum()
    return chances
