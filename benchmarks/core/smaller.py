"""What bytes for weights and shortlists save: CPU-time of layers, one thread.

    python benchmarks/core/smaller.py [--write]

A row of the first table is a linear layer that gets so many rows at once: plain, in bfloat16, as `Int8Linear`, whose
time includes that inputs become bytes. The second is an output layer of a decoder whose beams ask for all tokens, or
for the candidates of a shortlist; "narrowing" is what making the smaller layer costs, once a text. Medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import nn

from neuralcore.language.shortlist import narrowed
from neuralcore.layers.int8 import Int8Linear, weight_bytes

OUT = Path(__file__).resolve().parents[2] / "docs" / "results" / "smaller.md"
LAYERS = ((1, 512, 2048), (64, 512, 2048), (1024, 192, 768), (1024, 512, 2048))  # rows, inputs, outputs
OUTPUTS = ((5, 512, 32_000, 2_000), (320, 512, 32_000, 4_000))  # rows, width, tokens, candidates
REPEATS = 9


def cost(work: Callable[[], object]) -> float:
    """CPU-microseconds of one call, the median of repeats of 20 ms."""
    work()
    found = []
    for _ in range(REPEATS):
        count, begin = 0, time.process_time()
        while time.process_time() - begin < 0.02:
            work()
            count += 1
        found.append((time.process_time() - begin) / count * 1e6)
    return median(found)


@torch.no_grad()
def layers() -> list[str]:
    lines = ["| rows | inputs x outputs | fp32 µs | bf16 µs | int8 µs | MB fp32 | MB int8 |", "|---" * 7 + "|"]
    for rows, inputs, outputs in LAYERS:
        plain, x = nn.Linear(inputs, outputs), torch.randn(rows, inputs)
        small, half, y = Int8Linear(plain), nn.Linear(inputs, outputs, dtype=torch.bfloat16), x.bfloat16()
        times = [cost(partial(m, z)) for m, z in ((plain, x), (half, y), (small, x))]
        sizes = [weight_bytes(m) / 1e6 for m in (plain, small)]
        cells = [f"{rows:,}", f"{inputs} x {outputs}", *(f"{t:,.0f}" for t in times), *(f"{s:.2f}" for s in sizes)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


@torch.no_grad()
def outputs() -> list[str]:
    lines = ["| rows | tokens | candidates | all µs | shortlist µs | narrowing µs |", "|---" * 6 + "|"]
    for rows, width, tokens, count in OUTPUTS:
        whole, x = nn.Linear(width, tokens), torch.randn(rows, width)
        candidates = torch.randperm(tokens)[:count].sort().values
        part = narrowed(whole, candidates)
        times = [cost(partial(whole, x)), cost(partial(part, x)), cost(partial(narrowed, whole, candidates))]
        cells = [f"{rows:,}", f"{tokens:,}", f"{count:,}", *(f"{t:,.0f}" for t in times)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/results/smaller.md")
    write = parser.parse_args().write
    torch.set_num_threads(1)
    torch.manual_seed(0)
    text = "# Smaller models: CPU-time of layers, one thread\n\n" + "\n".join(layers()) + "\n\n"
    text += "\n".join(outputs()) + f"\n\n{date.today()}, torch {torch.__version__}, Python "
    text += (
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine (AVX512-BF16, VNNI) "
    )
    text += "that had other work.\n\n`python benchmarks/core/smaller.py --write`\n"
    print(text)
    if write:
        OUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
