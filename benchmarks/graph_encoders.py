"""Entities encoded from their features and their neighbours': what a graph layer adds to words on Cora.

    python benchmarks/graph_encoders.py DATA --seeds 3

DATA is the folder of graph-cora/cora.npz. The splits and settings are those of benchmarks/features.py: a tenth of the
citations is held out, and both sides of each are asked among all papers. One thread. Writes
docs/results/graph_encoders.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from features import CORA, cora, table

import neuralcore
from graphkit import Bags, Features, Graph, GraphEmbedding
from neuralcore.message_passing import NeighbourEncoder
from neuralcore.seeding import seeded_torch

OUT = Path(__file__).parent.parent / "docs" / "results" / "graph_encoders.md"


def measured(edges: np.ndarray, bags: Bags, seed: int) -> dict[str, list[float]]:
    """MRR, Hits@10, AUC and CPU-seconds of each encoder."""
    order = np.random.default_rng(seed).permutation(len(edges))
    rows = np.insert(edges[order], 1, 0, axis=1)
    splits = {"train": rows[len(rows) // 10 :], "test": rows[: len(rows) // 10]}
    graph = Graph.of([f"p{i}" for i in range(len(bags))], ["cites"], splits)
    found = {}
    for name, layer in (("words alone", None), ("GraphSAGE", "sage"), ("GAT", "gat")):
        encoder = None
        if layer is not None:
            with seeded_torch(seed, "weights"):
                encoder = NeighbourEncoder(len(bags.names), CORA["dimension"], layer=layer)  # type: ignore[arg-type]
        cpu = time.process_time()
        features = {"entity": Features(bags, row=False, encoder=encoder)}
        model = GraphEmbedding(graph, seed=seed, features=features, **CORA).fit()
        cpu = time.process_time() - cpu
        r = model.evaluate()
        found[name] = [r.mrr, r.hits_10, r.auc, cpu]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    edges, bags = cora(arguments.data)
    runs = []
    for seed in range(arguments.seeds):
        runs.append(measured(edges, bags, seed))
        print(runs[-1], flush=True)
    said = ", ".join(f"{key} {value}" for key, value in CORA.items())
    OUT.write_text(
        "# Entities encoded along the edges\n\n"
        "Cora, a tenth of the citations held out: papers are encoded from their words, or by a graph layer from\n"
        "these and from the words of papers they are joined to; no row is learned for a paper. Means ± standard\n"
        f"deviations over {arguments.seeds} seeds of split and training.\n\n"
        f"| | filtered MRR | Hits@10 | AUC | CPU s |\n|---|---|---|---|---|\n{table(runs)}\n"
        f"Settings, else the defaults: {said}; encoders of one hop.\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, Python "
        f"{platform.python_version()}, a {platform.machine()} machine that other work used as well.\n\n"
        f"`python benchmarks/graph_encoders.py DATA --seeds {arguments.seeds}`\n"
    )


if __name__ == "__main__":
    main()
