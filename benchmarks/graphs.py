"""ComplEx on FB15k-237 beside PyTorch-BigGraph, PyKEEN and PyTorch Geometric: edges per CPU-second, memory and MRR.

    python benchmarks/graphs.py --data fb15k-237 --pbg PBG/bin/python --pykeen KEEN/bin/python --pyg PYG/bin/python

PyTorch-BigGraph and ours train with softmax against 1,000 uniform negatives and the batch's own answers
(PyTorch-BigGraph 50 of them, ours 249), on both sides, with row-wise Adagrad and N3, PyTorch-BigGraph at 0.1 and 1e-3
as in its example, ours at 0.2 and 0.02; each in a process of its own with two workers or threads.
PyKEEN and PyTorch Geometric draw an edge's negatives for that edge alone, one by default, and score pair by pair
(PyKEEN with 100 as well, on a part of the edges). They run on one thread: two that wait for one another were several
times slower on a machine with other work. So an edge is different work for each: the table has the negatives it is
scored against, and the scored pairs per CPU-second. Their programs are in `graph_peers.py`.
PBG is a Python that has torchbiggraph (main, built with PBG_INSTALL_CPP=1), KEEN one that has pykeen, PYG one that
has torch_geometric. CPU-seconds are user and system time of the processes that train, without reading the edges and
without evaluation; each contender ranks the test edges, where it can and has seen a whole epoch (PyKEEN, whose
ranking takes minutes, at dimension 100).
Rows are appended to docs/results/graphs.csv, docs/results/graphs.md sums them up.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from graph_peers import PBG, PYG, PYKEEN

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "results"
FIGURES = ("cpu", "wall", "peak_mb", "mrr", "evaluation_cpu")
COLUMNS = ("contender", "dimension", "epochs", "seed", *FIGURES, "date", "negatives", "edges")
EDGES = 272_115
OURS, PBG_NAME, PYKEEN_NAME, PYG_NAME = "rlgraphkit", "PyTorch-BigGraph", "PyKEEN", "PyTorch Geometric"
# Of an edge: of its two questions each the 1,000 uniform ones and the batch's others; older rows do not say so.
NEGATIVES = {OURS: 2 * (1000 + 249), PBG_NAME: 2 * (1000 + 49), PYG_NAME: 1}
PROGRAMS = {PBG_NAME: PBG, PYKEEN_NAME: PYKEEN, PYG_NAME: PYG}
PYKEEN_NEGATIVES = {1: EDGES, 100: 10_000}  # and how many edges are enough to tell the speed


def ours(data: Path, dimension: int, epochs: int, seed: int) -> dict[str, float]:
    """One training of ours, in this process."""
    import torch

    from graphkit import Graph, GraphEmbedding
    from neuralcore.device import set_threads

    set_threads(2)
    graph = Graph.read(data)
    settings: dict[str, Any] = {"batch_size": 250, "negatives": 1000, "learning_rate": 0.2, "n3": 0.02}
    embedding = GraphEmbedding(graph, dimension=dimension, seed=seed, **settings)
    cpu, wall = time.process_time(), time.perf_counter()
    embedding.fit(epochs)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = time.process_time()
    assert torch.get_num_threads() == 2
    ranking = embedding.evaluate()
    return {
        "cpu": cpu,
        "wall": wall,
        "peak_mb": peak,
        "mrr": ranking.mrr,
        "evaluation_cpu": time.process_time() - before,
    }


def _figures(command: list[Any]) -> dict[str, float]:
    """What a process prints as its last line."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr} this ended with code {done.returncode}: {' '.join(map(str, command))[:300]}")
    return json.loads(done.stdout.splitlines()[-1])


def plain(data: Path, folder: Path) -> Path:
    """The lists without compression, which PyTorch-BigGraph does not read."""
    for name in ("train", "valid", "test"):
        packed = data / f"{name}.tsv.xz"
        text = lzma.open(packed).read() if packed.exists() else (data / f"{name}.tsv").read_bytes()
        (folder / f"{name}.tsv").write_bytes(text)
    return folder


def table(rows: list[dict[str, str]]) -> list[str]:
    """The lines of the report's table: the median of each contender's rows."""
    heads = (
        "dimension",
        "",
        "runs",
        "edges",
        "negatives an edge",
        "edges per CPU-s",
        "times",
        "scored pairs per CPU-s",
    )
    heads += ("edges per s", "peak MB", "filtered MRR", "CPU-s of the ranking")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    groups: dict[tuple[int, int], dict[tuple[str, int], list[dict[str, str]]]] = {}
    for row in rows:
        negatives = int(row["negatives"] or NEGATIVES[row["contender"]])
        mine = groups.setdefault((int(row["dimension"]), int(row["epochs"])), {})
        mine.setdefault((row["contender"], negatives), []).append(row)
    for (dimension, epochs), contenders in sorted(groups.items()):
        rates = {}
        for key, mine in contenders.items():
            rates[key] = median(int(row["edges"] or epochs * EDGES) / float(row["cpu"]) for row in mine)
        for (name, negatives), mine in sorted(contenders.items(), key=lambda item: (-item[0][1], item[0][0])):
            rate, peer = rates[name, negatives], rates.get((PBG_NAME, NEGATIVES[PBG_NAME]))
            edges = median(int(row["edges"] or epochs * EDGES) for row in mine)
            known = {key: [float(row[key]) for row in mine if row[key]] for key in FIGURES}
            middle = {key: median(values) for key, values in known.items() if values}
            answers = 2 if name in (OURS, PBG_NAME) else 1  # the others ask once an edge
            cells = [str(dimension), name, str(len(mine)), f"{edges:,.0f}", f"{negatives:,}", f"{rate:,.0f}"]
            cells += [f"{rate / peer:.1f}" if peer and name == OURS else "", f"{rate * (negatives + answers):,.0f}"]
            cells += [f"{edges / middle['wall']:,.0f}", f"{middle['peak_mb']:,.0f}"]
            cells += [f"{middle['mrr']:.3f}" if "mrr" in middle else ""]
            cells += [f"{middle['evaluation_cpu']:.1f}" if "evaluation_cpu" in middle else ""]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def report(rows: list[dict[str, str]]) -> None:
    """docs/results/graphs.md."""
    import torch

    import neuralcore
    from neuralcore.checkpoint import write_text

    write_text(
        FOLDER / "graphs.md",
        "# Graph embeddings beside PyTorch-BigGraph, PyKEEN and PyTorch Geometric\n\nComplEx on FB15k-237's 272,115 "
        "training edges; medians. Ours and PyTorch-BigGraph train with softmax against 1,000\nuniform negatives and "
        "the batch's own, both sides, two threads or workers; memory is the sum over PyTorch-BigGraph's\nthree "
        "processes. PyKEEN and PyTorch Geometric draw negatives for each edge alone and score pair by pair, on one "
        "thread\n(two that wait for one another were slower), with Adagrad and the batches that were fastest; an "
        "edge of theirs is less work,\nso compare the scored pairs. Fewer than 272,115 edges: a part of an epoch, "
        "for the speed alone. After one epoch\nof such batches PyKEEN has learned next to nothing yet; its ranking "
        "is made at dimension 100 alone, for its cost. PyTorch\nGeometric's own is unfiltered and of tails alone, so "
        "it has no MRR here.\n\n"
        + "\n".join(table(rows))
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine that had other work. "
        "Rows: [graphs.csv](graphs.csv).\n\n"
        "`python benchmarks/graphs.py --data fb15k-237 --pbg PBG/bin/python --pykeen KEEN/bin/python --pyg "
        "PYG/bin/python`\n",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of FB15k-237's train, valid and test lists")
    parser.add_argument("--pbg", help="a Python that has torchbiggraph; contenders without a Python are left out")
    parser.add_argument("--pykeen", help="a Python that has pykeen")
    parser.add_argument("--pyg", help="a Python that has torch_geometric")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--run-ours", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run_ours:
        return print(json.dumps(ours(arguments.data, arguments.dimensions[0], arguments.epochs, arguments.seeds)))
    path = FOLDER / "graphs.csv"
    earlier = csv.DictReader(open(path, newline="", encoding="utf-8")) if path.exists() else []
    rows = [dict.fromkeys(COLUMNS, "") | row for row in earlier]
    contenders = [(OURS, sys.executable, NEGATIVES[OURS])]
    for name, python in ((PBG_NAME, arguments.pbg), (PYG_NAME, arguments.pyg)):
        contenders += [(name, python, NEGATIVES[name])] if python else []
    contenders += [(PYKEEN_NAME, arguments.pykeen, count) for count in PYKEEN_NEGATIVES] if arguments.pykeen else []
    for dimension in arguments.dimensions:
        for seed in range(1, arguments.seeds + 1):
            for contender, python, negatives in contenders:
                with tempfile.TemporaryDirectory() as folder:
                    call: list[Any] = [dimension, arguments.epochs, seed]
                    if contender == OURS:
                        flags = zip(("--dimensions", "--epochs", "--seeds"), call)
                        words: list[Any] = [python, __file__, "--run-ours", "--data", arguments.data]
                        figures = _figures([*words, *(word for pair in flags for word in pair)])
                    else:
                        script = Path(folder) / "peer.py"  # PyTorch-BigGraph's workers import the file that began
                        script.write_text(PROGRAMS[contender])
                        texts = plain(arguments.data, Path(folder))
                        more = [negatives, PYKEEN_NEGATIVES[negatives]] if contender == PYKEEN_NAME else []
                        figures = _figures([python, script, texts, f"{folder}/out", *call, *more])
                edges = int(figures.pop("edges", arguments.epochs * EDGES))
                values = {name: f"{value:.4f}" for name, value in figures.items()}
                rows.append(
                    {
                        **dict.fromkeys(COLUMNS, ""),
                        **dict(zip(COLUMNS, (contender, *map(str, call)))),
                        **values,
                        "date": str(date.today()),
                        "negatives": str(negatives),
                        "edges": str(edges),
                    }
                )
                print(rows[-1], flush=True)
                with open(path, "w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
    report(rows)


if __name__ == "__main__":
    main()
