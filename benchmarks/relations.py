"""Relation queries on a trained graph: how long they take, and how often the true relation of two entities is named.

    python benchmarks/relations.py RUN

RUN is a run folder of `graphkit embed` whose graph has test edges, configs/graph/fb15k237.toml's for one. One thread.
Asked are 500 test edges, drawn by seed 0: one by one, all at once, with the graph's edges left out, and by
`GraphEmbedding.predict`; then, of each edge's entities, which relation holds between them, other true ones left out.

Writes docs/results/relations.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import neuralcore
from graphkit import GraphEmbedding, RelationIndex
from graphkit.embedding.questions import KnownAnswers
from graphkit.search.relation_names import Ask

OUT = Path(__file__).parent.parent / "docs" / "results" / "relations.md"
ASKED = 500


def seconds(call: Callable[[], Any]) -> float:
    """The least of three."""
    found = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def relation_ranks(model: GraphEmbedding, index: RelationIndex, edges: np.ndarray) -> np.ndarray:
    """(E,) the rank of each edge's relation among those of its types, without the others that hold."""
    graph, ranks = model.graph, []
    every = np.arange(len(graph.relations))
    known = KnownAnswers(graph.all_edges(), len(every), len(graph.entities))
    for head, relation, tail in edges.tolist():
        which, answers = known.of(np.full(len(every), head), every)
        others = set(which[answers == tail].tolist()) - {relation}
        names = index.search(graph.entities[head], None, graph.entities[tail], k=len(every))
        ranks.append([row for row in names.rows.tolist() if row not in others].index(relation) + 1)
    return np.array(ranks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = GraphEmbedding.load(arguments.run / "vectors")
    graph, index = model.graph, RelationIndex(model)
    edges = graph.edges["test"]
    edges = edges[np.random.default_rng(0).permutation(len(edges))[:ASKED]]
    asks = [Ask(graph.entities[head], graph.relations[relation]) for head, relation, _ in edges.tolist()]
    for found, ask in zip(index.ask(asks), asks):  # right before quick; of equal scores either may be first
        right = model.predict(ask.head, ask.relation)
        np.testing.assert_allclose([m.score for m in found], [score for _, score in right], rtol=1e-4)
    index.ask(asks[:1], new_only=True)
    times = {
        "one by one": seconds(lambda: [index.ask([ask]) for ask in asks]),
        "all at once": seconds(lambda: index.ask(asks)),
        "all at once, edges left out": seconds(lambda: index.ask(asks, new_only=True)),
        "`GraphEmbedding.predict`, one by one": seconds(lambda: [model.predict(a.head, a.relation) for a in asks]),
    }
    ranks = relation_ranks(model, index, edges)
    rows = "".join(f"| {name} | {1000 * spent / len(asks):.2f} |\n" for name, spent in times.items())
    config = model.config
    OUT.write_text(
        "# Relation queries\n\n"
        f"{len(graph.entities):,} entities, {len(graph.relations)} relations; {config.operator}, "
        f"{config.comparator}, dimension {config.dimension}, {model.epoch} epochs, filtered test MRR "
        f"{model.evaluate().mrr:.3f}.\n"
        f"{len(asks)} test edges are asked.\n\n"
        f"| (head, relation, ?), 10 answers | ms a question, one core |\n|---|---|\n{rows}\n"
        "The answers are those of `predict`.\n\n"
        f"(head, ?, tail): the true relation has MRR {(1 / ranks).mean():.3f}, Hits@1 {(ranks == 1).mean():.3f}, "
        f"Hits@10 {(ranks <= 10).mean():.3f} among all relations, other true ones left out.\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, Python "
        f"{platform.python_version()}, a {platform.machine()} machine that other work used as well.\n\n"
        f"`python benchmarks/relations.py RUN`\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
