"""Steps a second of thousands of grids at once, beside Gymnasium's SyncVectorEnv of FrozenLake-v1.

    python benchmarks/grid_steps.py                        (about 20 seconds on one core)

Both are handed random actions drawn beforehand. A round steps one after the other, so that what else the machine does
falls on both; the ratio is the median of the rounds' ratios. Writes docs/results/grid_steps.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from pathlib import Path
from statistics import median

import gymnasium as gym
import numba
import numpy as np
from gymnasium.envs.toy_text.frozen_lake import MAPS

import envs
import neuralcore

OUT = Path(__file__).parent.parent / "docs" / "results" / "grid_steps.md"
COPIES, ROUNDS = 4_096, 7
SLOW_STEPS, FAST_STEPS = 20, 2_000  # vector steps a round: about half a second and a tenth
LAKE = {"slip": 2 / 3, "living_reward": 0.0, "terminal_rewards": {"X": 0.0}}  # a lake is a grid that slips so


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    grids = {
        "GridWorld, the same lake": {"layout": drawing("4x4"), "max_episode_steps": 100, **LAKE},
        "GridWorld, the 8 x 8 lake": {"layout": drawing("8x8"), "max_episode_steps": 200, **LAKE},
        "GridWorld, the 8 x 8 lake, observed one-hot": {
            "layout": drawing("8x8"),
            "max_episode_steps": 200,
            "observation": "one_hot",
            **LAKE,
        },
        "GridWorld, 1000 x 1000, starting anywhere": {
            "layout": envs.random_layout(1_000, 1_000, 0.2, seed=0).replace("S", ".")
        },
    }
    sync = gym.make_vec("FrozenLake-v1", COPIES, vectorization_mode="sync")
    vectors = [
        gym.make_vec("GridWorld-v0", COPIES, vectorization_mode="vector_entry_point", **grid)
        for grid in grids.values()
    ]
    actions = np.random.default_rng(0).integers(4, size=(FAST_STEPS, COPIES))
    for vector in (sync, *vectors):
        vector.reset(seed=0)
        vector.step(actions[0])  # compiles, or loads what was compiled
    rounds = []  # of (steps per CPU-second, per second of the clock) for each vector
    for _ in range(ROUNDS):
        slow = speed(sync, actions[:SLOW_STEPS])
        rounds.append([slow, *(speed(vector, actions) for vector in vectors)])
    rows = []
    for i, name in enumerate(["SyncVectorEnv of FrozenLake-v1", *grids]):
        cpu, wall = (median(done[i][clock] for done in rounds) / 1e6 for clock in (0, 1))
        ratios = [done[i][0] / done[0][0] for done in rounds]
        spread = f"{median(ratios):,.0f} ({min(ratios):,.0f} to {max(ratios):,.0f})" if i else "1"
        rows.append(f"| {name} | {cpu:.3g} | {wall:.3g} | {spread} |")
        print(rows[-1])
    OUT.write_text(
        "# Steps a second of 4,096 grids\n\n"
        f"Random actions drawn beforehand, one thread. Medians of {ROUNDS} rounds, each of which steps all rows in\n"
        "turn; the ratio is that of the CPU times within a round, with its range over the rounds. One step is one\n"
        "move (or reset) of one copy. Every result is a new array.\n\n"
        "| 4,096 copies | M steps per CPU-second | M steps per second | ratio |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, gymnasium {gym.__version__}, "
        f"numba {numba.__version__}, NumPy {np.__version__},\n"
        f"Python {platform.python_version()}, a {platform.machine()} machine.\n\n"
        "`python benchmarks/grid_steps.py`\n"
    )


def drawing(name: str) -> str:
    """Gymnasium's map of a lake as a layout: frozen cells are free, holes X."""
    return "\n".join(MAPS[name]).replace("F", ".").replace("H", "X")


def speed(vector: gym.vector.VectorEnv, actions: np.ndarray) -> tuple[float, float]:
    """Steps of single copies a CPU-second and a second."""
    wall, cpu = time.perf_counter(), time.process_time()
    for row in actions:
        vector.step(row)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return actions.size / cpu, actions.size / wall


if __name__ == "__main__":
    main()
