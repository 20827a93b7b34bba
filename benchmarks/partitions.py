"""Partitioned training: peak memory, time and quality of P = 1, 2, 4, 8, 16 on one generated graph.

    python benchmarks/partitions.py --nodes 5_000_000 --edges 50_000_000 --folder /tmp/partitions

The graph: communities of a hundred nodes; an edge's head is drawn by a power law of exponent 2/3 on ranks (that of
degrees is then 2.5), its tail by the same law from the head's community (four in five edges) or from all. Edges lie
in a mapped file. Each P trains in a process of its own, operator identity, dot product; quality is the MRR of 10,000
held-out edges among all nodes. Peak memory is the largest resident set of the training (the kernel's high-water
mark), before the vectors are gathered for the ranking; the floor is what is left of it without two shards.
Rows go to docs/results/partitions.csv, docs/results/partitions.md sums them up.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, overload

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "results"
COLUMNS = ("partitions", "nodes", "edges", "dimension", "epochs", "wall", "cpu", "peak_mb", "mrr", "date")
BLOCK = 1 << 20
TEST = 10_000


class Numbers(Sequence[str]):
    """The names 0, 1, 2, …, which take no memory."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        numbers = range(self.count)[at]
        return [str(i) for i in numbers] if isinstance(numbers, range) else str(numbers)


def generate(path: Path, nodes: int, edges: int) -> None:
    """Edges (E, 3) int32 into a mapped file, a block at a time."""
    generator = np.random.default_rng(0)
    size = 100
    communities = max(nodes // size, 1)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.int32, shape=(edges, 3))

    def power_law(count: int, draws: int) -> np.ndarray:
        # Ranks with probability in proportion to rank^(-2/3), by the inverse of the integral.
        return np.minimum((count * generator.random(draws) ** 3.0).astype(np.int64), count - 1)

    shuffled = generator.permutation(communities * size).astype(np.int32)  # so that numbers tell nothing
    for start in range(0, edges, BLOCK):
        draws = min(BLOCK, edges - start)
        # A community's nodes are those of the same remainder: each has its share of frequent ones.
        head, tail = power_law(communities * size, draws), power_law(communities * size, draws)
        near = generator.random(draws) < 0.8
        tail[near] = power_law(size, int(near.sum())) * communities + head[near] % communities
        out[start : start + draws, 0], out[start : start + draws, 2] = shuffled[head], shuffled[tail]
        out[start : start + draws, 1] = 0
    out.flush()


def high_water() -> float:
    """Megabytes; getrusage's maximum would begin with that of the process that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def train(path: Path, nodes: int, dimension: int, epochs: int, partitions: int, seed: int) -> dict[str, float]:
    """Some passes, in this process."""
    from graphkit import Graph, GraphEmbedding
    from graphkit.embedding.trainer import EdgeTrainer
    from neuralcore.device import set_threads

    set_threads(2)
    edges = np.load(path, mmap_mode="r")
    graph = Graph.of(Numbers(nodes), ["linked"], {"train": edges[:-TEST], "test": np.array(edges[-TEST:])})
    settings: dict[str, Any] = {"operator": "identity", "comparator": "dot", "loss": "softmax", "learning_rate": 0.1}
    settings |= {"dimension": dimension, "batch_size": 250, "negatives": 100, "partitions": partitions}
    model = GraphEmbedding(graph, seed=seed, **settings)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        cpu, wall = time.process_time(), time.perf_counter()
        with EdgeTrainer(graph, model.config, seed, Path(folder)) as trainer:
            trainer.fit(epochs)
            trainer.shards.wait()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            peak = high_water()
            model._take(trainer, np.empty((nodes, dimension), np.float32))
    return {"wall": wall, "cpu": cpu, "peak_mb": peak, "mrr": model.evaluate("test", filtered=False).mrr}


def report(rows: list[dict[str, str]]) -> None:
    """docs/results/partitions.md: a row for each P."""
    import torch

    import neuralcore
    from neuralcore.checkpoint import write_text

    one = next((row for row in rows if row["partitions"] == "1"), None)
    heads = ("P", "peak MB", "floor MB", "wall s", "times P = 1", "edges per s", "CPU s", "MRR")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in sorted(rows, key=lambda row: int(row["partitions"])):
        wall, times = float(row["wall"]), ""
        if one is not None:
            times = f"{wall / float(one['wall']):.2f}"
        table = int(row["nodes"]) * (int(row["dimension"]) + 1) * 4 / 2**20
        peak, floor = float(row["peak_mb"]), float(row["peak_mb"]) - table * min(2 / int(row["partitions"]), 1)
        cells = [row["partitions"], f"{peak:,.0f}", f"{floor:,.0f}", f"{wall:,.0f}", times]
        cells += [
            f"{int(row['edges']) * int(row['epochs']) / wall:,.0f}",
            f"{float(row['cpu']):,.0f}",
            f"{float(row['mrr']):.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    first = rows[0]
    passes = "1 pass" if first["epochs"] == "1" else f"{first['epochs']} passes"
    write_text(
        FOLDER / "partitions.md",
        f"# Training in partitions\n\nA generated graph of {int(first['nodes']):,} nodes and {int(first['edges']):,} "
        f"edges, dimension {first['dimension']}, {passes} on two threads,\ntwo shards in memory, a "
        f"checkpoint after every visit; MRR of {TEST:,} held-out edges among all nodes.\nThe floor is the peak "
        "without two shards.\n\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine that had other work. "
        "Rows: [partitions.csv](partitions.csv).\n\n"
        f"`python benchmarks/partitions.py --nodes {first['nodes']} --edges {first['edges']} "
        f"--epochs {first['epochs']} --folder FOLDER`\n",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5_000_000, help="a multiple of 1,000")
    parser.add_argument("--edges", type=int, default=50_000_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--folder", type=Path, required=True, help="for the edges and the checkpoints")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    path = arguments.folder / f"edges_{arguments.nodes}_{arguments.edges}.npy"
    if arguments.run:
        call = path, arguments.nodes, arguments.dimension, arguments.epochs, arguments.partitions[0], 0
        return print(json.dumps(train(*call)))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        generate(path, arguments.nodes, arguments.edges)
    out = FOLDER / "partitions.csv"
    rows = list(csv.DictReader(open(out, newline="", encoding="utf-8"))) if out.exists() else []
    sizes = {"nodes": arguments.nodes, "edges": arguments.edges, "dimension": arguments.dimension}
    sizes["epochs"] = arguments.epochs
    rows = [row for row in rows if all(row[name] == str(value) for name, value in sizes.items())]
    for partitions in arguments.partitions:
        if any(row["partitions"] == str(partitions) for row in rows):
            continue
        words = [sys.executable, __file__, "--run", "--folder", arguments.folder, "--partitions", partitions]
        words += [word for name, value in sizes.items() for word in (f"--{name}", value)]
        done = subprocess.run([*map(str, words)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        figures = {name: f"{value:.4f}" for name, value in json.loads(done.stdout.splitlines()[-1]).items()}
        settings = {"partitions": partitions, **sizes, "date": date.today()}
        rows.append({**{name: str(value) for name, value in settings.items()}, **figures})
        print(rows[-1], flush=True)
        with open(out, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    report(rows)


if __name__ == "__main__":
    main()
