"""DQN on CartPole-v1 over several seeds: does it solve it, how fast, and does it still hold it at the end?

    python benchmarks/cartpole_dqn.py --seeds 3            (about two minutes a seed on one core)

Trains with `configs/rl/cartpole_dqn.toml`, plays 20 greedy episodes a seed, and writes docs/results/cartpole_dqn.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from pathlib import Path

import torch

import neuralcore
from neuralcore.device import set_threads
from rlkit import DQN, DQNConfig, evaluate

PRESET = "configs/rl/cartpole_dqn.toml"
OUT = Path(__file__).parent.parent / "docs" / "results" / "cartpole_dqn.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=60_000)
    arguments = parser.parse_args()
    set_threads(1)
    rows = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        wall, cpu = time.perf_counter(), time.process_time()
        agent = DQN("CartPole-v1", DQNConfig.preset(PRESET), seed=seed).learn(arguments.steps)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        result = evaluate(agent, "CartPole-v1", episodes=20)
        low, high = result.interval()
        rows.append(f"| {seed} | {result.mean:.1f} | {low:.1f} to {high:.1f} | {wall:.0f} | {cpu:.0f} |")
        print(rows[-1], flush=True)
    OUT.write_text(
        "# DQN on CartPole-v1\n\n"
        f"Mean return of 20 greedy episodes of the agent at the end of {arguments.steps:,} transitions (not of the\n"
        "best one on the way); 95 % bootstrap interval. 500 is the most there is, 475 counts as solved.\n\n"
        "| seed | mean return | interval | wall s | CPU s |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, "
        f"Python {platform.python_version()}, one thread of a {platform.machine()} machine.\n\n"
        f"`python benchmarks/cartpole_dqn.py --first {arguments.first} --seeds {arguments.seeds} "
        f"--steps {arguments.steps}`\n"
    )


if __name__ == "__main__":
    main()
