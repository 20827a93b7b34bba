"""What it costs to draw a batch from a full replay buffer, uniformly and by priority, and how large the buffer is.

    python benchmarks/replay.py                            (about a minute on one core, 8 GB of memory)

Batches of 32 from 1,000,000 transitions. Rounds draw uniformly and by priority in turn, so that what else the machine
does falls on both; the ratio is the median of the rounds' ratios. Writes docs/results/replay.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median

import numba
import numpy as np

import neuralcore
from rlkit.replay import ReplayBuffer, Transitions
from rlkit.rollout import Step

OUT = Path(__file__).parent.parent / "docs" / "results" / "replay.md"
CAPACITY, BATCH, ROUNDS, DRAWS = 1_000_000, 32, 25, 500
KINDS = {
    "4 numbers, 8 environments": {"num_envs": 8, "shape": (4,), "dtype": np.float32},
    "Atari, 8 environments": {"num_envs": 8, "shape": (4, 84, 84), "dtype": np.uint8, "stack": 4},
    "Atari, 1 environment, 3 steps": {
        "num_envs": 1,
        "shape": (4, 84, 84),
        "dtype": np.uint8,
        "stack": 4,
        "n_step": 3,
    },
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = []
    for name, kind in KINDS.items():
        rows.append(f"| {name} | " + " | ".join(measured(**kind)) + " |")
        print(rows[-1])
    OUT.write_text(
        "# Drawing from a replay buffer of 1,000,000 transitions\n\n"
        f"Microseconds a batch of {BATCH}, one thread: medians of {ROUNDS} rounds of {DRAWS:,} batches, in which\n"
        "uniform and prioritised sampling take turns. The ratio is that of the times within a round, with its range\n"
        "over the rounds. `learned` sets the priorities of the batch, `admit` those of a new row. Priorities are\n"
        "|normal| + 1e-6 to the power of 0.6. Sizes are those of a full buffer with priorities.\n\n"
        "| observations | uniform | by priority | ratio | learned | admit | size |\n|---|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, numba {numba.__version__}, NumPy {np.__version__},\n"
        f"Python {platform.python_version()}, a {platform.machine()} machine.\n\n"
        "`python benchmarks/replay.py`\n"
    )


def measured(num_envs: int, shape: tuple[int, ...], dtype: type, stack: int = 1, n_step: int = 1) -> list[str]:
    """The cells of one row."""
    buffer = ReplayBuffer(CAPACITY, num_envs, shape, dtype, stack=stack, priority_exponent=0.6)
    rng = np.random.default_rng(0)
    fill(buffer, rng)
    by_priority = buffer.priorities
    assert by_priority is not None
    errors = rng.normal(size=BATCH)
    places = np.arange(num_envs)
    valid = np.ones(num_envs, bool)

    def draw() -> Transitions:
        return buffer.sample(BATCH, rng, discount=0.99, n_step=n_step, importance_exponent=0.5)

    rounds = []
    for number in range(ROUNDS + 1):
        buffer.priorities = None
        uniform = seconds(draw)
        buffer.priorities = by_priority
        prioritised = seconds(draw)
        batches = iter([by_priority.draw(BATCH, rng, 0.5)[0] for _ in range(DRAWS)])
        learned = seconds(lambda batches=batches: by_priority.learned(next(batches), errors))
        admit = seconds(lambda: by_priority.admit(rng.integers(buffer.rows) * num_envs + places, valid))
        if number:  # the first compiles
            rounds.append((uniform, prioritised, prioritised / uniform, learned, admit))
    uniform, prioritised, ratio, learned, admit = (median(column) * 1e6 for column in zip(*rounds))
    ratios = [row[2] for row in rounds]
    spread = f"{ratio / 1e6:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    size = f"{buffer.nbytes / 1e9:.2f} GB"
    return [f"{uniform:.0f}", f"{prioritised:.0f}", spread, f"{learned:.0f}", f"{admit:.0f}", size]


def fill(buffer: ReplayBuffer, rng: np.random.Generator) -> None:
    """A full ring without `add`'s half a minute: 99 in 100 rows are transitions, every page is written."""
    n = buffer.num_envs
    buffer.frames[:] = 1
    for name in ("actions", "rewards", "terminated"):
        getattr(buffer, name)[:] = 0
    buffer.transition[:] = rng.random(buffer.transition.shape) < 0.99
    buffer.age[:] = buffer.stack - 1
    buffer.written = buffer.rows * 2
    assert buffer.priorities is not None
    places = np.arange(buffer.rows * n)
    buffer.priorities.admit(places, buffer.transition.reshape(-1))
    buffer.priorities.learned(places, rng.normal(size=len(places)))
    for _ in range(buffer.stack + 1):  # who can be drawn at the ring's end is then as the buffer has it
        observation = np.ones((n, *buffer.shape), buffer.frames.dtype)
        never, nothing = np.zeros(n, bool), np.zeros(n)
        buffer.add(Step(observation, nothing.astype(np.int64), nothing, never, never, ~never))


def seconds(call: Callable[[], object]) -> float:
    """Of one call, the mean of DRAWS."""
    start = time.perf_counter()
    for _ in range(DRAWS):
        call()
    return (time.perf_counter() - start) / DRAWS


if __name__ == "__main__":
    main()
