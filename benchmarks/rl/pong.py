"""Pong from pixels: what the long trainings came to.

    rlkit train configs/rl/pong_a2c.toml --run runs/pong-a2c       (hours; any number of stops and starts)
    rlkit train configs/rl/pong_dqn.toml --run runs/pong-dqn
    python benchmarks/rl/pong.py runs/pong-a2c runs/pong-dqn

Reads the runs' metrics and evaluations as they are now, finished or not; writes docs/results/pong.md, and the points
and the picture of each learning curve beside it.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from datetime import date
from pathlib import Path

import neuralcore
from neuralcore.checkpoint import write_text
from rlkit.curves import learning_curve

FOLDER = Path(__file__).parents[2] / "docs" / "results"
ASKED = {"a2c": "+15 within 10,000,000", "dqn": "+5 within 1,500,000"}
COLUMNS = ("algorithm", "asked", "transitions", "last 20 training episodes", "20 greedy episodes", "seed")


def row(run: Path) -> str:
    """A run's line of the table; its curve is written and drawn."""
    settings = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    ended = [r for r in rows if r.get("episodes")]
    steps = rows[-1]["step"]
    curve = learning_curve(run, steps)
    name = f"pong_{settings['algorithm']}"
    curve.write(FOLDER / f"{name}.csv")
    curve.plot(FOLDER / f"{name}.png", f"{settings['algorithm']} on {settings['env']}, seed {settings['seed']}")
    count, total = 0, 0.0
    for r in reversed(ended):  # rows hold the mean of the few episodes that ended since the row before
        if count < 20:
            count, total = count + r["episodes"], total + r["episodes"] * r["return"]
    greedy = "not evaluated yet"
    if (run / "evaluation.json").is_file():
        found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
        if found["episodes"] >= 20:
            low, high = found["interval_95"]
            greedy = f"{found['mean_return']:.2f} ({low:.2f} to {high:.2f}) at {found['steps']:,}"
    asked = ASKED.get(settings["algorithm"], "")
    return (
        f"| {settings['algorithm']} | {asked} | {steps:,} | {total / count:.2f} | {greedy} | {settings['seed']} |\n"
        f"\n![learning curve]({name}.png)\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    runs = parser.parse_args().runs
    tables = [row(run).split("\n", 1) for run in runs]
    text = (
        "# Pong from pixels\n\nOne training each on two cores, with the preset `configs/rl/pong_<algorithm>.toml`.\n"
    )
    text += "The training episodes explore; greedy ones take the likeliest action (95 % bootstrap interval).\n\n"
    text += f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    text += "".join(f"{line}\n" for line, _ in tables) + "".join(rest for _, rest in tables)
    text += f"\n{date.today()}, rlgraphkit {neuralcore.__version__}. "
    text += f"`python benchmarks/rl/pong.py {' '.join(f'runs/{run.name}' for run in runs)}`\n"
    write_text(FOLDER / "pong.md", text)
    print(text)


if __name__ == "__main__":
    main()
