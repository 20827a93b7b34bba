"""ComplEx on FB15k-237 beside PyTorch-BigGraph: edges per CPU-second, peak memory and filtered MRR, in one run.

    python benchmarks/graphs.py --data fb15k-237 --pbg PBG/bin/python --dimensions 100 400 --epochs 1

Both train with softmax against 1,000 uniform negatives and the batch's own answers (PyTorch-BigGraph 50 of them, ours
249), on both sides, with row-wise Adagrad and N3, PyTorch-BigGraph at 0.1 and 1e-3 as in its example, ours at 0.2 and
0.02; each in a process of its own with two workers or threads.
PBG is a Python that has torchbiggraph (main, built with PBG_INSTALL_CPP=1). CPU-seconds are user and system time of
the processes that train, without reading the edges and without evaluation; each contender ranks the test edges.
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

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "results"
COLUMNS = ("contender", "dimension", "epochs", "seed", "cpu", "wall", "peak_mb", "mrr", "evaluation_cpu", "date")
EDGES = 272_115

PBG = """
import json, os, resource, sys, time
import attr, torch
from torchbiggraph.config import ConfigSchema
from torchbiggraph.converters.importers import TSVEdgelistReader, convert_input_data
from torchbiggraph.eval import do_eval_and_report_stats
from torchbiggraph.filtered_eval import FilteredRankingEvaluator
from torchbiggraph.train import train
from torchbiggraph.util import SubprocessInitializer, setup_logging
from pathlib import Path
data, out, dimension, epochs, seed = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])

def spent():
    mine, theirs = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in (mine, theirs))

def main():
    torch.manual_seed(seed)
    paths = [f"{out}/{name}" for name in ("train", "valid", "test")]
    relation = {"name": "all_edges", "lhs": "all", "rhs": "all", "operator": "complex_diagonal"}
    config = ConfigSchema.from_dict(dict(
        entity_path=f"{out}/entities", edge_paths=paths, checkpoint_path=f"{out}/model",
        entities={"all": {"num_partitions": 1}}, relations=[relation], dynamic_relations=True, dimension=dimension,
        global_emb=False, comparator="dot", num_epochs=epochs, num_uniform_negs=1000, num_batch_negs=50,
        loss_fn="softmax", lr=0.1, regularization_coef=1e-3, eval_fraction=0, workers=2, verbose=0))
    texts = [data / f"{name}.tsv" for name in ("train", "valid", "test")]
    convert_input_data(config.entities, config.relations, config.entity_path, config.edge_paths, texts,
                       TSVEdgelistReader(lhs_col=0, rhs_col=2, rel_col=1), dynamic_relations=True)
    start = SubprocessInitializer()
    cpu, wall = spent(), time.perf_counter()
    train(attr.evolve(config, edge_paths=paths[:1]), subprocess_init=start)
    cpu, wall = spent() - cpu, time.perf_counter() - wall
    mine, theirs = (resource.getrusage(w).ru_maxrss / 1024 for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    before = spent()
    relations = [attr.evolve(r, all_negs=True) for r in config.relations]
    last = attr.evolve(config, edge_paths=paths[2:], relations=relations, num_uniform_negs=0)
    found = list(do_eval_and_report_stats(
        last, evaluator=FilteredRankingEvaluator(last, paths[::-1]), subprocess_init=start))
    stats = found[-1][-1]  # of all edges, after those of each bucket
    print(json.dumps({"cpu": cpu, "wall": wall, "peak_mb": mine + 2 * theirs, "mrr": float(stats.metrics["mrr"]),
                      "evaluation_cpu": spent() - before}))

if __name__ == "__main__":
    main()
"""


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


def report(rows: list[dict[str, str]]) -> None:
    """docs/results/graphs.md: the median of each contender's rows."""
    import torch

    import neuralcore
    from neuralcore.checkpoint import write_text

    heads = ("dimension", "", "runs", "epochs", "edges per CPU-s", "times", "edges per s", "peak MB")
    lines = [f"| {' | '.join((*heads, 'filtered MRR', 'CPU-s of the ranking'))} |", "|---" * (len(heads) + 2) + "|"]
    groups: dict[tuple[int, int], dict[str, list[dict[str, str]]]] = {}
    for row in rows:
        key = (int(row["dimension"]), int(row["epochs"]))
        groups.setdefault(key, {}).setdefault(row["contender"], []).append(row)
    for (dimension, epochs), contenders in sorted(groups.items()):
        rates = {
            name: median(epochs * EDGES / float(row["cpu"]) for row in mine) for name, mine in contenders.items()
        }
        for name, mine in contenders.items():
            middle = {key: median(float(row[key]) for row in mine) for key in COLUMNS[4:9]}
            peer = rates.get("PyTorch-BigGraph") if name == "rlgraphkit" else None
            cells = [str(dimension), name, str(len(mine)), str(epochs), f"{rates[name]:,.0f}"]
            cells += [f"{rates[name] / peer:.1f}" if peer else "", f"{epochs * EDGES / middle['wall']:,.0f}"]
            cells += [f"{middle['peak_mb']:,.0f}", f"{middle['mrr']:.3f}", f"{middle['evaluation_cpu']:.1f}"]
            lines.append(f"| {' | '.join(cells)} |")
    write_text(
        FOLDER / "graphs.md",
        "# Graph embeddings beside PyTorch-BigGraph\n\nComplEx on FB15k-237's 272,115 training edges, softmax "
        "against 1,000 uniform negatives and the batch's own,\nboth sides, two threads or workers; medians. Memory "
        "is the sum over PyTorch-BigGraph's three processes.\n\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine that had other work. "
        "Rows: [graphs.csv](graphs.csv).\n\n"
        "`python benchmarks/graphs.py --data fb15k-237 --pbg PBG/bin/python --dimensions 100 400 --epochs 1`\n",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of FB15k-237's train, valid and test lists")
    parser.add_argument("--pbg", help="a Python that has torchbiggraph; without it ours alone is run")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--run-ours", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run_ours:
        return print(json.dumps(ours(arguments.data, arguments.dimensions[0], arguments.epochs, arguments.seeds)))
    path = FOLDER / "graphs.csv"
    rows = list(csv.DictReader(open(path, newline="", encoding="utf-8"))) if path.exists() else []
    for dimension in arguments.dimensions:
        for seed in range(1, arguments.seeds + 1):
            for contender in ("rlgraphkit", *(["PyTorch-BigGraph"] if arguments.pbg else [])):
                with tempfile.TemporaryDirectory() as folder:
                    call = [dimension, arguments.epochs, seed]
                    if contender == "rlgraphkit":
                        flags = zip(("--dimensions", "--epochs", "--seeds"), call)
                        words: list[Any] = [sys.executable, __file__, "--run-ours", "--data", arguments.data]
                        figures = _figures([*words, *(word for pair in flags for word in pair)])
                    else:
                        script = Path(folder) / "pbg.py"  # its workers import the file that started them
                        script.write_text(PBG)
                        texts = plain(arguments.data, Path(folder))
                        figures = _figures([arguments.pbg, script, texts, f"{folder}/out", *call])
                values = {name: f"{value:.4f}" for name, value in figures.items()}
                rows.append({**dict(zip(COLUMNS, (contender, *map(str, call)))), **values, "date": str(date.today())})
                print(rows[-1], flush=True)
                with open(path, "w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
    report(rows)


if __name__ == "__main__":
    main()
