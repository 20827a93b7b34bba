"""CartPole-v1 and Acrobot-v1 over ten seeds: is each solved, and does it still hold at the end of the budget?

    python benchmarks/rl/classic.py                            (about an hour on one core; on from where it stopped)
    python benchmarks/rl/classic.py --envs Acrobot-v1 --algorithms ppo --seeds 3
    python benchmarks/rl/classic.py --report                   (the page and the pictures again, no training)

Trains with the presets `configs/rl/<environment>_<algorithm>.toml`, by default on seeds by which they were not
chosen. Every finished seed is a row of docs/results/classic.csv: the score of the greedy policy and of the one that
still explores, and the returns on the way. A row counts as long as its preset is as it was; after a change of the
algorithm itself, delete its rows. docs/results/classic.md sums them up.
"""

from __future__ import annotations

import argparse
import csv
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch

import neuralcore
import rlkit
from neuralcore.checkpoint import sha256, write_text
from neuralcore.config import find_config
from neuralcore.device import set_threads
from rlkit import evaluate
from rlkit.statistics import interquartile_mean, stratified_interval
from rlkit.train import ALGORITHMS, parse_arguments, table_of

# environment -> what is asked of the interquartile mean at the end of the budget, by whom
ASKED = {
    "CartPole-v1": (475.0, ("dqn", "a2c", "ppo", "reinforce")),
    "Acrobot-v1": (-90.0, ("dqn", "a2c", "ppo")),
}
EPISODES = 50  # in each of the two evaluations of a seed
POINTS = 25  # of a learning curve
FOLDER = Path(__file__).parents[2] / "docs" / "results"
COLUMNS = ("env", "algorithm", "seed", "steps", "greedy", "exploring", "cpu_seconds", "preset", "curve")
ROWS = FOLDER / "classic.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", default=list(ASKED), choices=list(ASKED))
    parser.add_argument("--algorithms", nargs="+", choices=["dqn", "a2c", "ppo", "reinforce"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--report", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    set_threads(1)
    rows = [row for row in read() if row["preset"] == digest(row["env"], row["algorithm"])]
    done = {(row["env"], row["algorithm"], int(row["seed"])) for row in rows}
    for env in arguments.envs:
        for algorithm in arguments.algorithms or ASKED[env][1]:
            if algorithm not in ASKED[env][1] or arguments.report:
                continue
            for seed in range(arguments.first, arguments.first + arguments.seeds):
                if (env, algorithm, seed) not in done:
                    row = run(env, algorithm, seed)
                    rows.append(row)
                    write(rows)  # sorted
                    print(f"{env} {algorithm} seed {seed}: greedy {row['greedy']}", flush=True)
    report(rows)


def preset_of(env: str, algorithm: str) -> str:
    return f"configs/rl/{env.split('-')[0].lower()}_{algorithm}.toml"


def digest(env: str, algorithm: str) -> str:
    return sha256(find_config(preset_of(env, algorithm)))[:12]


def run(env: str, algorithm: str, seed: int) -> dict[str, str]:
    """Train one seed to the end of its budget, and play the agent that is there then."""
    _, preset = parse_arguments([preset_of(env, algorithm)], "rlkit train")
    learner = getattr(rlkit, ALGORITHMS[algorithm].learner)(env, getattr(preset, table_of(algorithm)), seed=seed)
    started = time.process_time()
    learner.plan(preset.steps)
    curve: list[list[float]] = [[] for _ in range(POINTS)]  # returns of the episodes that ended in each part
    while learner.steps < preset.steps:
        learner.advance()
        point = min(learner.steps * POINTS // preset.steps, POINTS - 1)
        curve[point] += [episode.episode_return for episode in learner.rollout.take_episodes()]
    seconds = time.process_time() - started
    scores = {
        name: evaluate(learner.agent, env, episodes=EPISODES, deterministic=greedy).mean
        for name, greedy in (("greedy", True), ("exploring", False))
    }
    learner.env.close()
    return {
        "env": env,
        "algorithm": algorithm,
        "seed": str(seed),
        "steps": str(preset.steps),
        **{name: f"{score:.2f}" for name, score in scores.items()},
        "cpu_seconds": f"{seconds:.1f}",
        "preset": digest(env, algorithm),
        "curve": " ".join(f"{np.mean(part):.1f}" if part else "nan" for part in curve),
    }


def read() -> list[dict[str, str]]:
    if not ROWS.exists():
        return []
    with open(ROWS, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict[str, str]]) -> None:
    """All the rows, in one step: a kill leaves the old file or the new one."""
    rows.sort(key=lambda row: (row["env"], row["algorithm"], int(row["seed"])))
    lines = [",".join(COLUMNS), *(",".join(row[name] for name in COLUMNS) for row in rows)]
    write_text(ROWS, "\n".join(lines) + "\n")


def report(rows: list[dict[str, str]]) -> None:
    """docs/results/classic.md and a picture of the learning curves for each environment."""
    parts = [
        "# CartPole-v1 and Acrobot-v1, each over its seeds\n",
        "Seeds from 100 on, not those by which the presets were chosen. Scores are of the agent at the end of the\n"
        f"budget, not of the best one on the way: mean return of {EPISODES} episodes, greedy, and beside it of\n"
        f"{EPISODES} in which it explores as it does by default (DQN with its final epsilon, the others by drawing\n"
        "from the policy). IQM: interquartile mean over the seeds, with a 95 % stratified bootstrap interval.\n"
        "CPU-seconds are those of training a seed. Curves: returns of the training episodes, mean over the seeds\n"
        "and their range.\n",
    ]
    for env, (asked, algorithms) in ASKED.items():
        groups = {name: [row for row in rows if (row["env"], row["algorithm"]) == (env, name)] for name in algorithms}
        groups = {name: group for name, group in groups.items() if group}
        if not groups:
            continue
        header = (
            "| algorithm | transitions | reached it | IQM greedy | interval | IQM exploring | lowest | CPU-s | each |"
        )
        lines = [line(name, group, asked) for name, group in groups.items()]
        parts.append(f"\n## {env}: asked is an IQM of {asked:g} or more\n\n{header}\n{'|---' * 9}|")
        parts.append("\n".join(lines))
        picture = FOLDER / f"classic_{env.split('-')[0].lower()}.png"
        draw(picture, env, asked, groups)
        parts.append(f"\n![learning curves]({picture.name})")
    parts.append(
        f"\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, "
        f"Python {platform.python_version()}, one thread of a {platform.machine()} machine.\n\n"
        "`python benchmarks/rl/classic.py`; rows: [classic.csv](classic.csv)"
    )
    (FOLDER / "classic.md").write_text("\n".join(parts) + "\n")
    print(f"written to {FOLDER / 'classic.md'}")


def line(name: str, group: list[dict[str, str]], asked: float) -> str:
    """One line of a table: an algorithm over its seeds."""
    greedy, exploring = (np.array([float(row[column]) for row in group]) for column in ("greedy", "exploring"))
    low, high = stratified_interval([greedy])
    iqm = interquartile_mean(greedy)
    held = f"{(greedy >= asked).sum()} of {len(greedy)}"
    cpu = np.mean([float(row["cpu_seconds"]) for row in group])
    each = " ".join(f"{score:.0f}" for score in greedy)
    return (
        f"| {name} | {int(group[0]['steps']):,} | {held} | **{iqm:.1f}** | {low:.1f} to {high:.1f} | "
        f"{interquartile_mean(exploring):.1f} | {greedy.min():.1f} | {cpu:.0f} | {each} |"
    )


def draw(path: Path, env: str, asked: float, groups: dict[str, list[dict[str, str]]]) -> None:
    """Returns of training episodes over transitions: mean of the seeds, shaded from the lowest to the highest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, group in groups.items():
        curves = np.array([[float(word) for word in row["curve"].split()] for row in group])  # (seeds, POINTS)
        known = ~np.isnan(curves).any(axis=0)
        steps = ((np.arange(POINTS) + 0.5) * int(group[0]["steps"]) / POINTS)[known]
        axes.fill_between(steps, curves[:, known].min(axis=0), curves[:, known].max(axis=0), alpha=0.15, linewidth=0)
        axes.plot(steps, curves[:, known].mean(axis=0), label=f"{name} ({len(group)} seeds)")
    axes.axhline(asked, color="0.5", linestyle="--", linewidth=1)
    axes.set(title=env, xlabel="transitions", ylabel="return of training episodes")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
