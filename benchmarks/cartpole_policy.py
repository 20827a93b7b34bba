"""A2C, PPO and REINFORCE on CartPole-v1 over ten seeds: do they solve it, and do they still hold it at the end?

    python benchmarks/cartpole_policy.py                (about eight minutes on one core)

Trains with the presets in `configs/rl/`, plays 20 greedy episodes a seed with the agent at the end of the budget, and
writes docs/results/cartpole_policy.md. The seeds are not those by which the presets were chosen.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch

import neuralcore
import rlkit
from neuralcore.device import set_threads
from rlkit import evaluate
from rlkit.statistics import interquartile_mean, stratified_interval
from rlkit.train import parse_arguments

ALGORITHMS = {"A2C": 100_000, "PPO": 100_000, "REINFORCE": 300_000}
OUT = Path(__file__).parent.parent / "docs" / "results" / "cartpole_policy.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    arguments = parser.parse_args()
    set_threads(1)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    rows = [row(name, steps, seeds) for name, steps in ALGORITHMS.items()]
    OUT.write_text(
        "# A2C, PPO and REINFORCE on CartPole-v1\n\n"
        f"Seeds {seeds[0]} to {seeds[-1]}, not those by which the presets were chosen. Mean return of 20 greedy\n"
        "episodes of the agent at the end of the budget (not of the best one on the way). 500 is the most there is,\n"
        "475 counts as solved. IQM: interquartile mean over the seeds, with a 95 % bootstrap interval.\n\n"
        "| algorithm | transitions | IQM | interval | seeds >= 475 | lowest | each seed | transitions/CPU-s |\n"
        "|---|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, "
        f"Python {platform.python_version()}, one thread of a {platform.machine()} machine.\n\n"
        f"`python benchmarks/cartpole_policy.py --first {arguments.first} --seeds {arguments.seeds}`\n"
    )
    print(f"written to {OUT}")


def row(name: str, steps: int, seeds: range) -> str:
    """One line of the table: an algorithm over the seeds."""
    preset = f"configs/rl/cartpole_{name.lower()}.toml"
    config = getattr(rlkit, f"{name}Config").preset(preset)
    assert parse_arguments([preset], "rlkit train")[1].steps == steps, f"{preset} has another budget"
    scores, cpu = [], 0.0
    for seed in seeds:
        started = time.process_time()
        agent = getattr(rlkit, name)("CartPole-v1", config, seed=seed).learn(steps)
        cpu += time.process_time() - started
        scores.append(evaluate(agent, "CartPole-v1", episodes=20).mean)
        print(f"{name} seed {seed}: {scores[-1]:.1f}", flush=True)
    array = np.array(scores)
    low, high = stratified_interval([array])
    each = " ".join(f"{score:.0f}" for score in scores)
    figures = f"{interquartile_mean(array):.1f} | {low:.1f} to {high:.1f} | {(array >= 475).sum()} of {len(array)}"
    speed = steps * len(array) / cpu
    return f"| {name} | {steps:,} | {figures} | {array.min():.1f} | {each} | {speed:,.0f} |"


if __name__ == "__main__":
    main()
