"""`kill -9` at random moments of trainings: does the same command, given again, end where the whole one ended?

    python benchmarks/rl/kills.py --kills 100           (ten minutes on a busy core)

Each row is a training in a temporary folder, run once without a kill and then again and again with kills; a killed
training is started again, and killed again, until its share of the kills is spent, and then goes on to its end. The
final weights, the metrics, the evaluation, and the newest checkpoint (every array by its hash, and all counters and
generators) are then compared byte for byte. A kill's moment is drawn uniformly over the time the whole training took.
Each start is a process of its own that runs `rlkit train …`; it is forked from one that has imported torch, or most
kills would fall into that. Writes docs/results/kills.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import tempfile
import time
from datetime import date
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch

import neuralcore
from rlkit.cli import main as rlkit

OUT = Path(__file__).parent.parent.parent / "docs" / "results" / "kills.md"
GRID = ["--env", "GridWorld-v0"]
CART = ["--env", "CartPole-v1"]
PONG = ["--env", "ALE/Pong-v5", "--env-args", "screen_size=36", "stack_num=2"]
PONG += ["max_episode_steps=60", "repeat_action_probability=0.25", "noop_max=1"]
ON_PIXELS = ["--network", "mlp", "--num-envs", "2", "--hidden", "32"]
SMALL_DQN = ["--learning-starts", "500", "--replay-capacity", "4_000", "--num-envs", "4", "--hidden", "32"]
SMALL_DQN += ["--train-every", "16"]
LENGTHS = {"GridWorld-v0": (6_000, 800), "CartPole-v1": (6_000, 800), "ALE/Pong-v5": (1_200, 200)}
RUNS = {
    "DQN": [
        ["dqn", *GRID, *SMALL_DQN],
        ["dqn", *CART, *SMALL_DQN, "--prioritised", "--n-step", "3"],
        ["dqn", *PONG, *ON_PIXELS, "--learning-starts", "300", "--replay-capacity", "900", "--train-every", "16"],
    ],
    "REINFORCE": [["reinforce", *GRID], ["reinforce", *CART]],
    "A2C": [["a2c", *GRID], ["a2c", *CART], ["a2c", *PONG, *ON_PIXELS]],
    "PPO": [["ppo", *GRID], ["ppo", *CART]],
}
COMPARED = ("agent/weights.safetensors", "metrics.jsonl", "evaluation.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="in all, dealt out evenly over the trainings")
    parser.add_argument("--each", type=int, default=5, help="of one training, before it may go to its end")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    runs = [(name, words) for name, some in RUNS.items() for words in some]
    shares = [len(part) for part in np.array_split(np.arange(arguments.kills), len(runs))]
    generator = np.random.default_rng(arguments.seed)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for words in ("dqn --learning-starts 40", "ppo"):  # imports what the forked processes need
            rlkit(["train", *words.split(), *GRID, "--steps", "300", "--run", f"{folder}/{words[:3]}"])
        for number, ((name, words), share) in enumerate(zip(runs, shares)):
            if share:
                results.append(Row(name, words, Path(folder) / str(number)).fill(share, arguments.each, generator))
                print(results[-1], flush=True)
    heads = "algorithm", "environment", "kills", "before a first checkpoint", "trainings", "equal", "seconds each"
    table = "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *map(str, results)])
    kills, equal = sum(r.kills for r in results), sum(r.equal for r in results)
    trainings = sum(r.trainings for r in results)
    arguments.out.write_text(
        "# kill -9 at random moments\n\n"
        f"{kills} kills in {trainings} trainings, of which {equal} ended as the uninterrupted one did: final\n"
        "weights, metrics, evaluation, and the newest checkpoint's arrays (weights, optimiser, replay,\n"
        "environments, open episodes), counters and generators, byte for byte. A kill comes at a moment drawn\n"
        f"uniformly over the time that the whole training takes; each is killed up to {arguments.each} times,\n"
        "then goes to its end. The last column is the uninterrupted training by the clock.\n\n"
        f"{table}\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, gymnasium "
        f"{gym.__version__}, Python {platform.python_version()}, one thread of a {platform.machine()} machine.\n\n"
        f"`python benchmarks/rl/kills.py --kills {arguments.kills} --each {arguments.each} --seed {arguments.seed}`\n"
    )
    print(f"{table}\nwritten to {arguments.out}")
    if equal < trainings:
        raise SystemExit(f"{trainings - equal} of {trainings} trainings ended elsewhere")


class Row:
    """One training and what became of its copies that were killed."""

    def __init__(self, name: str, words: list[str], folder: Path):
        self.name, self.env, self.folder = name, words[words.index("--env") + 1], folder
        steps, every = LENGTHS[self.env]
        lengths = ["--steps", str(steps), "--checkpoint-every", str(every), "--evaluate-episodes", "1"]
        self.words = ["train", *words, *lengths, "--device", "cpu", "--run"]
        self.kills = self.early = self.trainings = self.equal = 0
        self.seconds = 0.0

    def fill(self, share: int, each: int, generator: np.random.Generator) -> Row:
        """Kill `share` times, `each` training at most so often."""
        self.folder.mkdir()
        started = time.monotonic()
        self._run(self.folder / "whole")
        self.seconds = time.monotonic() - started
        expected = left_by(self.folder / "whole")
        while self.kills < share:
            run, goal = self.folder / str(self.trainings), min(self.kills + each, share)
            over = False
            while self.kills < goal and not over:
                over = self._run(run, kill_after=float(generator.uniform(0, self.seconds)))
            if not over:
                self._run(run)
            self.trainings += 1
            found = left_by(run)
            self.equal += found == expected
            for what in expected:
                if found[what] != expected[what]:
                    print(f"{self.name} {self.env}, training {self.trainings}: {what} differs", flush=True)
        return self

    def _run(self, run: Path, kill_after: float | None = None) -> bool:
        """Start the command; whether it came to its end before it was killed."""
        log = self.folder / "log"
        child = os.fork()
        if child == 0:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            try:
                os._exit(rlkit([*self.words, str(run)]))
            finally:
                os._exit(1)
        ended, status, started = 0, 0, time.monotonic()
        while not ended:
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended and kill_after is not None and time.monotonic() - started > kill_after:
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                break
            time.sleep(0.002)
        if os.WIFSIGNALED(status):
            self.kills += 1
            self.early += not (run / "checkpoints" / "LATEST").exists()
            return False
        if status != 0:
            raise SystemExit(f"rlkit {' '.join(self.words)} {run} failed:\n{log.read_text()}")
        return True

    def __str__(self) -> str:
        figures = f"{self.kills} | {self.early} | {self.trainings} | {self.equal} | {self.seconds:.0f}"
        return f"| {self.name} | {self.env} | {figures} |"


def left_by(run: Path) -> dict[str, object]:
    """What is compared: files of the run folder, and the newest checkpoint's manifest (which has the hash of every
    array) apart from the versions of shards, that only say when a file may be linked."""
    newest = run / "checkpoints" / (run / "checkpoints" / "LATEST").read_text()
    manifest = json.loads((newest / "manifest.json").read_text())
    arrays = {f"arrays {name}": entry["sha256"] for name, entry in manifest["shards"].items()}
    files = {name: (run / name).read_bytes() for name in COMPARED}
    return {**files, **arrays, "state": manifest["state"]}


if __name__ == "__main__":
    main()
