"""Training beside Stable-Baselines3: transitions per CPU-second and per second, with the same settings.

    pip install stable-baselines3 opencv-python-headless ale-py     (in an environment of its own, PEER)
    python benchmarks/rl/speed.py --peer PEER/bin/python             (about 30 minutes on two idle cores)
    python benchmarks/rl/speed.py --only a2c-pong env-path           (the other rows of the table stay)

`cases.py` has the settings. Every contender trains in a process of its own; a round is one process of each, and the
order turns from round to round, so that what else the machine does falls on all. The clocks start once some
updates are done (`Case.warm`). A ratio is taken within a round. Writes docs/results/rl_speed.md and .csv.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from cases import CASES, OURS, Case, Contender

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results" / "rl_speed.md"
RUNNER = Path(__file__).with_name("sb3_runner.py")
COLUMNS = ("case", "round", "contender", "transitions", "updates", "cpu", "wall", "parameters", "date")
ENV_PATH, ROLLOUT = "env-path", "Rollout over envs.make_vec"
ENV_ROUNDS, ENV_STEPS, ENV_COPIES = 40, 50, 16  # rounds of vector steps; copies of Pong
PRECISIONS = ("float32", "bfloat16")


def clocks() -> tuple[float, float]:
    """CPU-seconds of this process with all its threads, and seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.perf_counter()


# -- ours, in a process of its own ---------------------------------------------------------------------------


def train(case: Case, contender: Contender) -> dict[str, Any]:
    """Our side of a case."""
    import rlkit
    from neuralcore.device import set_threads
    from rlkit.environments import make_vector_env
    from rlkit.train import ALGORITHMS

    set_threads(case.threads)
    entry = ALGORITHMS[case.algorithm]
    env, arguments = ("ALE/Pong-v5", {"use_fire_reset": True}) if case.env == "Pong" else (case.env, {})
    fields = {**case.ours, **dict(contender.changed), "num_envs": case.num_envs}
    fields["hidden"] = tuple(fields["hidden"])
    config = getattr(rlkit, entry.config)(**fields)
    vector = make_vector_env(env, case.num_envs, **arguments)
    learner = getattr(rlkit, entry.learner)(vector, config, seed=0, device="cpu")
    learner.plan(case.planned)
    while learner.steps < case.warm:
        learner.advance()
    before = (learner.steps, learner.updates, *clocks())
    while learner.steps - before[0] < case.measured:
        learner.advance()
    after = (learner.steps, learner.updates, *clocks())
    transitions, updates, cpu, wall = (b - a for a, b in zip(before, after))
    parameters = sum(p.numel() for p in learner.agent.network.parameters())
    return {"transitions": transitions, "updates": updates, "cpu": cpu, "wall": wall, "parameters": parameters}


def step_environments() -> list[dict[str, Any]]:
    """`Rollout` over our environment and ALE's own vector environment, in turns, with the same settings and seeds."""
    import ale_py
    import gymnasium as gym
    import numpy as np

    import envs
    from neuralcore.seeding import derived_seed
    from rlkit.rollout import Rollout

    settings = envs.AtariPreprocessing()
    raw = ale_py.AtariVectorEnv(
        "pong",
        ENV_COPIES,
        frameskip=settings.frameskip,
        stack_num=settings.stack_num,
        noop_max=settings.noop_max,
        use_fire_reset=settings.use_fire_reset,
        reward_clipping=settings.reward_clipping,
        repeat_action_probability=settings.repeat_action_probability,
        max_num_frames_per_episode=settings.max_episode_steps * settings.frameskip,
        autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP,
    )
    first = derived_seed(0, "environment", 0) % 2**31  # as Rollout seeds its environment
    raw.reset(seed=(first + np.arange(ENV_COPIES)) % 2**31)
    rollout = Rollout(envs.make_vec("ALE/Pong-v5", ENV_COPIES), seed=0)
    steps = {ROLLOUT: rollout.step, "ale_py.AtariVectorEnv": raw.step}
    order = list(steps)
    rows = []
    for number in range(ENV_ROUNDS + 2):
        actions = np.random.default_rng(number).integers(raw.single_action_space.n, size=(ENV_STEPS, ENV_COPIES))
        for contender in order if number % 2 else reversed(order):
            cpu, wall = clocks()
            for action in actions:
                steps[contender](action)
            cpu, wall = (after - before for after, before in zip(clocks(), (cpu, wall)))
            row = {"contender": contender, "transitions": actions.size, "updates": 0, "cpu": cpu, "wall": wall}
            rows.append({**row, "round": number, "parameters": 0})
    return [row for row in rows if row["round"] >= 2]  # the first warm up


def multiply() -> dict[str, float]:
    """GFLOP/s of products of 1024 x 1024 matrices on one thread, by precision."""
    import torch

    torch.set_num_threads(1)
    rates: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    for _ in range(5):
        for name in PRECISIONS:
            a, b = (torch.randn(1024, 1024).to(getattr(torch, name)) for _ in range(2))
            a @ b
            before = time.process_time()
            for _ in range(5):
                a @ b
            rates[name].append(5 * 2 * 1024**3 / (time.process_time() - before) / 1e9)
    return {name: median(found) for name, found in rates.items()}


# -- the rounds ----------------------------------------------------------------------------------------------


def run(python: str, threads: int, *words: str) -> Any:
    """What a process of its own printed last, as JSON."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    if words[0] == str(RUNNER):
        del environment["PYTHONPATH"]
    done = subprocess.run([python, *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{python} {' '.join(words)[:200]}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(name: str, rounds: int, peer: str) -> list[dict[str, Any]]:
    """The rows of a case, a process each."""
    if name == ENV_PATH:
        return run(sys.executable, 1, __file__, "--child", name, "")
    case, rows = CASES[name], []
    for number in range(rounds):
        turn = case.contenders if number % 2 == 0 else case.contenders[::-1]
        for contender in turn:
            if contender.peer:
                asked = {**dataclasses.asdict(case), "form": contender.peer}
                row = run(peer, case.threads, str(RUNNER), json.dumps(asked))
            else:
                row = run(sys.executable, case.threads, __file__, "--child", name, contender.label)
            rows.append({"round": number, "contender": contender.label, **row})
            print(name, rows[-1], flush=True)
    check_alike(name, case, rows)
    return rows


def check_alike(name: str, case: Case, rows: list[dict[str, Any]]) -> None:
    """The same settings mean the same updates for a transition, and networks of one size where they are the same.

    Raises:
        SystemExit: they are not.
    """
    ours = next(row for row in rows if row["contender"] == OURS.label)
    other_network = {c.label for c in case.contenders if c.peer == "own" and case.env != "Pong"}
    for row in rows:
        share = row["updates"] / row["transitions"] / (ours["updates"] / ours["transitions"])
        if abs(share - 1) > 0.05:
            raise SystemExit(f"{name}: {row['contender']} does {share:.2f} times our updates for a transition")
        same = row["parameters"] == ours["parameters"]
        if not same and not (row["contender"] in other_network and case.algorithm != "dqn"):
            raise SystemExit(
                f"{name}: {row['contender']} has {row['parameters']:,} weights, {ours['parameters']:,} ours"
            )


# -- the table -----------------------------------------------------------------------------------------------


def section(name: str, rows: list[dict[str, str]]) -> str:
    """A case's rows of the CSV file as a table."""
    contenders = sorted({row["contender"] for row in rows}, key=lambda label: label not in (OURS.label, ROLLOUT))
    if name in CASES:
        contenders = [c.label for c in CASES[name].contenders if c.label in contenders]
    rates = {
        c: {
            int(row["round"]): [float(row["transitions"]) / float(row[clock]) for clock in ("cpu", "wall")]
            for row in rows
            if row["contender"] == c
        }
        for c in contenders
    }
    ours = rates[contenders[0]]
    lines = []
    for c in contenders:
        figures = [f"{median(rate[clock] for rate in rates[c].values()):,.0f}" for clock in (0, 1)]
        if c != contenders[0]:
            for clock in (0, 1):
                ratios = [ours[number][clock] / rates[c][number][clock] for number in ours]
                figures.append(f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        else:
            figures += ["", ""]
        of_case = [row for row in rows if row["contender"] == c]
        updates = sum(int(row["updates"]) for row in of_case) / sum(int(row["transitions"]) for row in of_case)
        learning = [f"{1000 * updates:.1f}", f"{int(of_case[0]['parameters']):,}"] if name in CASES else []
        lines.append("| " + " | ".join([c, *figures, *learning]) + " |")
    head = ["who", "transitions per CPU s", "per s", f"{contenders[0]} / it, CPU", "the same, clock"]
    head += ["updates per 1,000", "weights"] if name in CASES else []
    rule = "|" + "---|" * len(head)
    measured = max(row["date"] for row in rows)
    return f"## {name}\n\n{about(name)} Measured on {measured}.\n\n| {' | '.join(head)} |\n{rule}\n" + "\n".join(
        lines
    )


def about(name: str) -> str:
    if name == ENV_PATH:
        return (
            f"Stepping {ENV_COPIES} copies of Pong with random actions, without a network: {ENV_ROUNDS} rounds of "
            f"{ENV_STEPS} vector steps."
        )
    case = CASES[name]
    threads = f"{case.threads} torch threads" if case.threads > 1 else "one torch thread"
    words = (
        f"{case.algorithm.upper()}, {case.env}, {case.num_envs} environment{'s' * (case.num_envs > 1)}, {threads}."
    )
    return words + (f" Note: {case.remark}." if case.remark else "")


def precision_note(rates: dict[str, float]) -> str:
    """Why bf16 gains or loses on this processor."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    has = {flag: flag in flags for flag in ("avx512_bf16", "amx_bf16")}
    units = " and ".join(f"{'has' if yes else 'lacks'} {flag}" for flag, yes in has.items())
    slower = rates["bfloat16"] < rates["float32"]
    return (
        f"bf16: one thread multiplies 1024 x 1024 matrices with {rates['float32']:.0f} GFLOP/s in fp32 and\n"
        f"{rates['bfloat16']:.0f} in bf16 here; the processor {units}. "
        + ("So bf16 loses on it." if slower else "So bf16 has something to gain on it.")
    )


def report(rows: list[dict[str, str]], peer: str, command: str, rates: dict[str, float]) -> str:
    packages = ("stable-baselines3", "torch", "gymnasium", "ale-py", "numpy")
    listing = f"import importlib.metadata as m, json; print(json.dumps({{p: m.version(p) for p in {packages}}}))"
    theirs = run(peer, 1, "-c", listing)
    ours = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages[1:])
    import neuralcore

    names = [name for name in (*CASES, ENV_PATH) if any(row["case"] == name for row in rows)]
    sections = [section(name, [row for row in rows if row["case"] == name]) for name in names]
    return (
        "# Training speed beside Stable-Baselines3\n\n"
        "The same settings on both sides, those of rl-baselines3-zoo (`benchmarks/rl/cases.py` lists them and what\n"
        "differs). Each contender trains in a process of its own; a round is one process of each, in an order that\n"
        "turns. CPU-seconds are user and system time of all threads. Clocks start after some updates. A rate is\n"
        "the median over the rounds, a ratio the median of those within a round, with its range: above 1 the first\n"
        "line of a table is the faster one. On Pong our emulators have threads of their own, one a core;\n"
        "Stable-Baselines3's environments step in turn, unless they are ALE's.\n\n"
        + "\n\n".join(sections)
        + f"\n\n{precision_note(rates)}\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__} ({ours}),\n"
        f"stable-baselines3 {theirs['stable-baselines3']} ({', '.join(f'{p} {theirs[p]}' for p in packages[1:])}),\n"
        f"Python {platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine, not idle\n"
        "otherwise. Every process, and every turn of env-path, is a row of `rl_speed.csv`.\n\n"
        f"`{command}`\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="the Python that has stable-baselines3")
    parser.add_argument("--only", nargs="*", default=[*CASES, ENV_PATH], choices=[*CASES, ENV_PATH])
    parser.add_argument("--pairs", type=int, default=3, help="rounds, at least 3 for the table")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, label = arguments.child
        if name == ENV_PATH:
            print(json.dumps(step_environments()))
            return
        contender = next(c for c in CASES[name].contenders if c.label == label)
        print(json.dumps(train(CASES[name], contender)))
        return
    table = OUT.with_suffix(".csv")
    rows: list[dict[str, str]] = list(csv.DictReader(table.open())) if table.exists() else []
    chosen = "" if len(arguments.only) == len(CASES) + 1 else f" --only {' '.join(arguments.only)}"
    command = f"python benchmarks/rl/speed.py --peer PEER/bin/python --pairs {arguments.pairs}{chosen}"
    for name in arguments.only:
        measured = measure(name, arguments.pairs, arguments.peer)
        stamped = [{"case": name, "date": str(date.today()), **row} for row in measured]
        rows = [row for row in rows if row["case"] != name] + [
            {column: str(row[column]) for column in COLUMNS} for row in stamped
        ]
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        OUT.write_text(report(rows, arguments.peer, command, multiply()))
        print(section(name, [row for row in rows if row["case"] == name]), flush=True)
    print(f"written to {OUT}")


if __name__ == "__main__":
    main()
