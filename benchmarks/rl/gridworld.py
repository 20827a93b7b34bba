"""Every algorithm in two grids whose optimal values are known: is its greedy policy within 1 % of them?

    python benchmarks/rl/gridworld.py                       (some minutes on one core)
    python benchmarks/rl/gridworld.py --algorithms dqn ppo --seeds 3

The value of the greedy policy from the start is computed under the model (`rlkit.exact`), not played, and held
against the optimum of a planner. Trains with the presets `configs/rl/gridworld_<algorithm>.toml` where there is one,
and with defaults elsewhere. Every run is a row of docs/results/gridworld.csv, from which the script goes on (after a
change of an algorithm, delete its rows); docs/results/gridworld.md sums them up.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import neuralcore
import rlkit
from agents import Agent
from neuralcore.checkpoint import write_text
from neuralcore.device import set_threads
from rlkit.dataset import collect
from rlkit.environments import make_env, make_vector_env
from rlkit.exact import evaluate_exactly
from rlkit.fitted_q import FittedQ
from rlkit.tabular_config import TabularConfig
from rlkit.train import parse_arguments

DISCOUNT = 0.99
WORLDS: dict[str, dict[str, Any]] = {
    # Example 4.1 of Sutton & Barto: two exits in opposite corners, episodes begin anywhere.
    "4 x 4": {"layout": "sutton_barto_4x4", "slip": 0.0, "living_reward": -1.0},
    # Example 8.1: one start and one goal, fourteen steps apart. Not the cliff, where a policy that is learned while
    # it explores rightly keeps away from the edge, and is then not optimal without exploration.
    "maze": {"layout": "dyna_maze", "slip": 0.0},
}
TABULAR_STEPS = 50_000
# Averages of whole returns forget slowly what exploring cost: fewer random actions only after more of them.
MONTE_CARLO_STEPS, MONTE_CARLO = 200_000, {"epsilon_steps": 100_000}
# Where every step costs 1, the entropy must weigh more, or the policy settles for the exit it found first.
ENTROPY: dict[tuple[str, str], dict[str, Any]] = {
    ("a2c", "4 x 4"): {"entropy_weight": 1.0},
    ("reinforce", "4 x 4"): {"entropy_weight": 0.3},
}
DATA, ITERATIONS = 100_000, 200  # of fitted Q iteration: transitions of random actions, regressions
FOLDER = Path(__file__).parents[2] / "docs" / "results"
ROWS = FOLDER / "gridworld.csv"
COLUMNS = ("algorithm", "world", "seed", "steps", "gap", "cpu_seconds")

Trained = tuple[Agent, int]  # and the transitions seen


def preset(name: str, **changes: Any) -> Callable[[str, int], Trained]:
    """A way to train an algorithm with its preset's settings and budget, but for some changes."""

    def train(world: str, seed: int) -> Trained:
        _, arguments = parse_arguments([f"configs/rl/gridworld_{name}.toml"], "rlkit train")
        config = dataclasses.replace(getattr(arguments, name), **changes, **ENTROPY.get((name, world), {}))
        env = make_vector_env("GridWorld-v0", config.num_envs, **WORLDS[world])
        learner = getattr(rlkit, type(config).__name__.removesuffix("Config"))(env, config, seed=seed)
        return learner.learn(arguments.steps), learner.steps

    return train


def default(name: str, steps: int = TABULAR_STEPS, **changes: Any) -> Callable[[str, int], Trained]:
    """A way to train an algorithm with its defaults, but for some changes."""

    def train(world: str, seed: int) -> Trained:
        config = TabularConfig(**changes) if changes else None
        learner = getattr(rlkit, name)(make_vector_env("GridWorld-v0", 1, **WORLDS[world]), config, seed=seed)
        assert learner.config.discount == DISCOUNT
        return learner.learn(steps), learner.steps

    return train


def fitted(world: str, seed: int) -> Trained:
    data = collect(make_vector_env("GridWorld-v0", 16, **WORLDS[world]), DATA, num_envs=16, seed=seed)
    return FittedQ(data, seed=seed).learn(ITERATIONS), len(data)


ALGORITHMS: dict[str, Callable[[str, int], Trained]] = {
    "q-learning": default("QLearning"),
    "sarsa": default("SARSA"),
    "expected-sarsa": default("ExpectedSARSA"),
    "monte-carlo": default("MonteCarloControl", MONTE_CARLO_STEPS, **MONTE_CARLO),
    "linear-q": default("LinearQ"),
    "fitted-q": fitted,
    "dqn": preset("dqn"),
    "a2c": preset("a2c"),
    "ppo": preset("ppo"),
    "reinforce": preset("reinforce"),
    "reinforce without baseline": preset("reinforce", baseline=False),
}


def run(algorithm: str, world: str, seed: int) -> dict[str, str]:
    """One run: how far its greedy policy is from the optimum, as a share of that; transitions; CPU-seconds."""
    env = make_env("GridWorld-v0", **WORLDS[world])
    started = time.process_time()
    agent, steps = ALGORITHMS[algorithm](world, seed)
    seconds = time.process_time() - started
    exact = evaluate_exactly(agent, env, discount=DISCOUNT)
    gap = (exact.best.expected_return - exact.value) / abs(exact.best.expected_return)
    values = (algorithm, world, str(seed), str(steps), f"{gap:.6f}", f"{seconds:.1f}")
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algorithms", nargs="+", default=list(ALGORITHMS), choices=list(ALGORITHMS))
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    set_threads(1)
    rows = read()
    done = {(row["algorithm"], row["world"], int(row["seed"])) for row in rows}
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for algorithm in arguments.algorithms:
            for world in arguments.worlds:
                if (algorithm, world, seed) not in done:
                    rows.append(run(algorithm, world, seed))
                    lines = [",".join(COLUMNS), *(",".join(row.values()) for row in rows)]
                    write_text(ROWS, "\n".join(lines) + "\n")
                    print(rows[-1], flush=True)
    report(rows)


def read() -> list[dict[str, str]]:
    if not ROWS.exists():
        return []
    with open(ROWS, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def line(algorithm: str, world: str, rows: list[dict[str, str]]) -> str:
    """One line of the table: an algorithm in a world over its seeds."""
    rows = sorted(rows, key=lambda row: int(row["seed"]))
    gaps = [float(row["gap"]) for row in rows]
    held = f"{sum(gap <= 0.01 for gap in gaps)} of {len(gaps)}"
    each = " ".join(f"{abs(gap):.2%}" for gap in gaps)
    steps, seconds = max(int(row["steps"]) for row in rows), np.mean([float(row["cpu_seconds"]) for row in rows])
    return f"| {algorithm} | {world} | {steps:,} | {held} | {abs(max(gaps)):.2%} | {seconds:.1f} | {each} |"


def report(rows: list[dict[str, str]]) -> None:
    """docs/results/gridworld.md, of all the rows there are."""
    pairs = [(algorithm, world) for algorithm in ALGORITHMS for world in WORLDS]
    groups = {pair: [row for row in rows if (row["algorithm"], row["world"]) == pair] for pair in pairs}
    lines = [line(*pair, group) for pair, group in groups.items() if group]
    settings = "\n".join(f"- {name}: `{arguments}`" for name, arguments in WORLDS.items())
    (FOLDER / "gridworld.md").write_text(
        "# Every algorithm in grids whose optimum is known\n\n"
        "Gap of the greedy policy to the optimal value of the start, as a share of that: both computed under the\n"
        f"model, at discount {DISCOUNT}, with no episode played. Asked is 1 % or less of every seed, from 0 on.\n\n"
        f"{settings}\n\n"
        "Presets `configs/rl/gridworld_<algorithm>.toml` for dqn, a2c, ppo and reinforce; the others have their\n"
        f"defaults, but monte-carlo {MONTE_CARLO}; but {ENTROPY}.\n"
        f"fitted-q learns from {DATA:,} transitions of random actions in {ITERATIONS} regressions.\n\n"
        "| algorithm | world | transitions | within 1 % | largest gap | CPU-s | each |\n"
        "|---|---|---|---|---|---|---|\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, "
        f"Python {platform.python_version()}, one thread of a {platform.machine()} machine that had other work.\n\n"
        "`python benchmarks/rl/gridworld.py`; rows: [gridworld.csv](gridworld.csv)\n"
    )
    print(f"written to {FOLDER / 'gridworld.md'}")


if __name__ == "__main__":
    main()
