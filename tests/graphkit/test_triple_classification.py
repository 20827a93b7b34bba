from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.triple_classification import classify, false_edges, threshold
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError


def test_thresholds_by_hand() -> None:
    assert threshold(np.array([3.0, 2.0]), np.array([0.0, 1.0])) == 1.5
    assert threshold(np.array([3.0, 0.5]), np.array([0.0, 1.0])) in (0.25, 2.0)  # one mistake either way
    assert threshold(np.array([1.0]), np.array([1.0])) in (-np.inf, np.inf)  # equal scores cannot be told apart
    assert threshold(np.array([1.0, 1.0]), np.array([])) == -np.inf


def test_false_edges_are_of_the_types_and_not_known() -> None:
    edges = np.array([[h, 0, t] for h in range(4) for t in range(4, 8) if (h + t) % 2])
    answers = lambda relation, side: range(4, 9) if side == 0 else range(4)  # noqa: E731
    found, whole = false_edges(edges, edges, 9, 1, answers, np.random.default_rng(0))
    assert whole.tolist() == list(range(len(edges)))
    true = {tuple(e) for e in edges.tolist()}
    assert not true & {tuple(e) for e in found.tolist()}
    assert (found[:, 0] < 4).all()
    assert (found[:, 2] >= 4).all()
    assert ((found != edges).sum(1) == 1).all()
    # Where all edges there could be are true, there is no false one.
    everything = np.array([[h, 0, t] for h in range(2) for t in range(2)])
    found, whole = false_edges(
        everything, everything, 2, 1, lambda relation, side: range(2), np.random.default_rng(0)
    )
    assert len(found) == len(whole) == 0


def test_figures_by_hand() -> None:
    """Relation 0 has its own threshold of 1.5; relation 1 has no validation edges and takes the common one."""
    scores = {0: 3.0, 1: 2.0, 2: 1.0, 3: 0.0, 4: 2.6, 5: 1.7, 6: 1.2}
    score = lambda edges: np.array([scores[h] for h in edges[:, 0]])  # noqa: E731
    rows = lambda *pairs: np.array([[h, r, 0] for h, r in pairs])  # noqa: E731
    valid = rows((0, 0), (1, 0)), rows((2, 0), (3, 0))
    test = rows((4, 0), (6, 0), (5, 1)), rows((2, 0), (5, 0), (3, 1))
    found = classify(score, valid, test)
    # Right: 2.6, not 1.2; 1.0, not 1.7 of relation 0; both of relation 1.
    assert (found.accuracy, found.edges) == (4 / 6, 6)
    # 2.6 is above all three, 1.2 above two, 1.7 above two and level with one.
    assert found.auc == pytest.approx((3 + 2 + 2.5) / 9)


def test_a_trained_model_tells_edges_apart(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    rows = np.array([(a, 0, b) for a in range(40) for b in range(40) if a % 4 == b % 4 and a != b])
    rows = rows[generator.permutation(len(rows))]
    splits = {"train": rows[80:], "valid": rows[:40], "test": rows[40:80]}
    graph = Graph.of([f"n{i}" for i in range(40)], ["alike"], splits)
    model = GraphEmbedding(graph, dimension=16, batch_size=20, negatives=20, learning_rate=0.3).fit(30)
    found = model.classify_triples()
    assert found.accuracy > 0.8
    assert found.auc > 0.9
    model.save("vectors")
    assert main(["evaluate", "vectors", "--by-relation", "--triples"]) == 0
    out = capsys.readouterr().out
    assert f"triples: {found.accuracy:.4f} of 80 told right" in out
    assert "\nalike " in out
    with pytest.raises(UserError, match="by valid and test edges"):
        GraphEmbedding(Graph.of(graph.entities, graph.relations, rows), dimension=4).fit(1).classify_triples()
