"""DeepWalk and node2vec on BlogCatalog: node classification beside the papers' figures, and the speed of the walks.

    python benchmarks/walks.py --data blogcatalog.npz

The file holds the arrays edges (E, 2), group_node (M,) and group_id (M,), whole numbers. Each training and each
classification is the command that a user types, in a process of its own, whose CPU seconds and peak memory the system
tells; the speed of the walks alone is measured in this process, on one thread. Writes docs/results/walks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numba
import numpy as np

import neuralcore
from graphkit import WalkGraph
from neuralcore.kernels.random_walks import random_walks

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "walks.md"
# name -> the preset, and the published micro and macro F1 at 10 % and at 50 % ("-": none in numbers)
RUNS = {
    "DeepWalk": ("blogcatalog_deepwalk", ("36.00", "21.30", "41.00", "27.30")),
    "node2vec": ("blogcatalog_node2vec", ("-", "-", "-", "25.81")),
}
SPEEDS = [(1.0, 1.0), (0.25, 0.25), (0.25, 4.0), (4.0, 0.25)]
LENGTH = 80


def measured(words: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of a `graphkit` command."""
    command = [sys.executable, "-m", "graphkit.cli", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile(dir=folder) as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            log.seek(0)
            raise SystemExit(f"{' '.join(words)} failed:\n{log.read().decode()}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def quality(name: str, folder: Path, splits: int) -> str:
    """A row of the table: F1 at 10 % and 50 %, the published figures, and what it took."""
    preset, published = RUNS[name]
    run = folder / preset
    cpu, peak = measured(["walk", f"configs/graph/{preset}.toml", "--run", str(run)], folder)
    asked = ["classify", str(run), "data/blogcatalog/group-edges.csv", "--fractions", "0.1", "0.5"]
    classify_cpu, _ = measured([*asked, "--splits", str(splits), "--threads", "1"], folder)
    results = json.loads((run / "classification.json").read_text())["results"]
    cells = [
        f"{100 * result[kind]:.2f} ± {100 * result[kind + '_std']:.2f} | {published[2 * i + j]}"
        for i, result in enumerate(results)
        for j, kind in enumerate(("micro", "macro"))
    ]
    row = f"| {name} | {' | '.join(cells)} | {cpu:.0f} | {peak:.0f} | {classify_cpu:.0f} |"
    print(row, flush=True)
    return row


def speeds(graph: WalkGraph, weights: np.ndarray, rounds: int) -> list[str]:
    """Million steps a CPU-second of one thread, the best of some rounds: rows p, q; alike and weighted edges."""
    lines = []
    starts = np.random.default_rng(0).permutation(len(graph.names))[:10_000].astype(np.int32)
    for p, q in SPEEDS:
        cells = []
        for cumulative in (None, weights):
            settings: dict[str, Any] = {"cumulative": cumulative, "length": LENGTH, "p": p, "q": q, "seed": 0}
            random_walks(graph.offsets, graph.neighbours, starts[:10], epoch=0, **settings)  # compile
            took = []
            for epoch in range(rounds):
                began = time.process_time()
                walks = random_walks(graph.offsets, graph.neighbours, starts, epoch=epoch, **settings)
                took.append((time.process_time() - began) / int((walks[:, 1:] >= 0).sum()))
            cells.append(f"{1e-6 / min(took):.1f}")
        lines.append(f"| {p:g}, {q:g} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def power_law(nodes: int, edges: int) -> np.ndarray:
    """(E, 2): ends drawn by weights that fall as a power of the node's number."""
    rng = np.random.default_rng(0)
    mass = np.cumsum(np.arange(1, nodes + 1, dtype=np.float64) ** -0.6)
    return np.searchsorted(mass, rng.random((edges, 2)) * mass[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    arguments = parser.parse_args()
    data = np.load(arguments.data, allow_pickle=False)
    # The trainings first, while this process is small: a child's peak memory is never told as below its parent's.
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(arguments.jobs) as pool:
        folder = Path(temporary)
        (folder / "data/blogcatalog").mkdir(parents=True)
        groups = np.stack([data["group_node"], data["group_id"]], axis=1)
        for name, table in (("edges", data["edges"]), ("group-edges", groups)):
            np.savetxt(folder / f"data/blogcatalog/{name}.csv", table, fmt="%d", delimiter=",")
        rows = list(pool.map(lambda name: quality(name, folder, arguments.splits), RUNS))
    tables = []
    large = power_law(1_000_000, 10_000_000)
    for edges, nodes in ((data["edges"], int(data["edges"].max()) + 1), (large, 1_000_000)):
        names = [str(node) for node in range(nodes)]
        weights = np.random.default_rng(0).uniform(0.5, 1.5, len(edges))
        graph = WalkGraph.of(names, edges)
        cumulative = WalkGraph.of(names, edges, weights).cumulative
        assert cumulative is not None
        print(graph, flush=True)
        tables.append((graph, speeds(graph, cumulative, arguments.rounds)))
    OUT.write_text(report(rows, tables, arguments), encoding="utf-8")


def report(rows: list[str], tables: list[tuple[WalkGraph, list[str]]], arguments: argparse.Namespace) -> str:
    """The page."""
    head = "| p, q | edges alike | weighted |\n|---|---|---|\n"
    speed = "\n\n".join(f"{graph}:\n\n{head}" + "\n".join(lines) for graph, lines in tables)
    return (
        "# Walks over graphs\n\n## Node classification on BlogCatalog\n\n"
        "10,312 nodes, 333,983 undirected edges, 39 labels; F1 in percent at 10 % and at 50 % labelled nodes, mean\n"
        f"± standard deviation of {arguments.splits} random splits of one training (seed 0), and beside it what the "
        "papers publish:\nDeepWalk (Perozzi et al. 2014, table 2), node2vec (Grover & Leskovec 2016, table 2, macro "
        "F1 at 50 % with\np = q = .25; it has no micro F1 in numbers). The protocol is theirs: logistic regression "
        "one against the rest, C = 1,\nthe vectors as they are, as many labels predicted as a node has.\n\n"
        "| | micro 10 % | published | macro 10 % | published | micro 50 % | published | macro 50 % | published "
        "| CPU s | peak MB | CPU s to classify |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n## Speed\n\nMillion steps a CPU-second of one thread, walks of "
        f"{LENGTH} nodes from 10,000 nodes, best of {arguments.rounds} rounds.\n\n{speed}\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, numba {numba.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()},\na {platform.machine()} machine of {os.cpu_count()} cores, on which "
        "other work was running.\n\n"
        f"`python benchmarks/walks.py --data blogcatalog.npz --splits {arguments.splits} --jobs {arguments.jobs}`\n"
    )


if __name__ == "__main__":
    main()
