"""What recurrent layers cost beside plain torch.nn: a pass forwards and back, of RNN, LSTM and GRU.

    python benchmarks/core/recurrent.py

One thread. Both take turns, so that what else the machine does is the same for both; a ratio is of the medians of CPU
seconds, above 1 where ours is the faster. docs/results/recurrent.md has the table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import neuralcore
from neuralcore.checkpoint import write_text
from neuralcore.sequence.recurrent import make_recurrent

OUT = Path(__file__).resolve().parents[2] / "docs" / "results" / "recurrent.md"
SIZES = ((35, 20, 200), (35, 20, 512), (100, 32, 128))  # T, B, W
PLAIN: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def passes(run: Callable[[torch.Tensor], torch.Tensor], weights: nn.Module, inputs: torch.Tensor) -> float:
    """CPU seconds of one pass forwards and back."""
    weights.zero_grad()
    started = time.process_time()
    run(inputs).square().mean().backward()
    return time.process_time() - started


def ratio(name: str, steps: int, examples: int, width: int, rounds: int) -> tuple[float, float]:
    """Median CPU seconds of ours and of torch.nn's, with the same weights."""
    ours = make_recurrent(name, width, width)
    plain = PLAIN[name](width, width, batch_first=True)
    plain.load_state_dict(ours.unrolled.state_dict())
    inputs = torch.randn(examples, steps, width, generator=torch.Generator().manual_seed(0))
    runs = [(lambda x: ours(x)[0], ours), (lambda x: plain(x)[0], plain)]
    torch.testing.assert_close(runs[0][0](inputs), runs[1][0](inputs), rtol=1e-4, atol=1e-5)
    times: list[list[float]] = [[], []]
    for number in range(rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            seconds = passes(*runs[which], inputs)
            if number:  # the first warms up
                times[which].append(seconds)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["| | T | B | W | ours | torch.nn | ratio |", "|---|--:|--:|--:|--:|--:|--:|"]
    for steps, examples, width in SIZES:
        for name in PLAIN:
            ours, plain = ratio(name, steps, examples, width, arguments.rounds)
            lines.append(
                f"| {name} | {steps} | {examples} | {width} | {1000 * ours:.1f} ms | {1000 * plain:.1f} ms "
                f"| {plain / ours:.2f} |"
            )
            print(lines[-1], flush=True)
    text = (
        "A pass forwards and back of one layer, T steps of B sequences, as many inputs as the width W; CPU time of "
        f"one thread, medians of {arguments.rounds} rounds in which both take turns. Above 1, ours is the faster."
    )
    versions = f"rlgraphkit {neuralcore.__version__}, torch {torch.__version__}"
    table = "\n".join(lines)
    command = f"python benchmarks/core/recurrent.py --rounds {arguments.rounds}"
    write_text(OUT, f"# Recurrent layers beside torch.nn\n\n{text}\n\n{table}\n\n{versions}.\n\n`{command}`\n")


if __name__ == "__main__":
    main()
