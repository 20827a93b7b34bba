"""Graphs from and to NetworkX, SciPy and PyTorch Geometric: there and back again, and what does not fit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError


def typed() -> Graph:
    """Two users, three pages; an edge twice, weights."""
    rows = np.array([[0, 0, 2], [1, 0, 4], [0, 0, 2], [2, 1, 3], [3, 1, 3]])
    types, sides = {"user": 2, "page": 3}, [("user", "page"), ("page", "page")]
    weights = np.array([1.0, 2.0, 3.0, 0.5, 4.0], np.float32)
    return Graph.of(["a", "b", "x", "a", "é"], ["likes", "links"], rows, weights=weights, types=types, sides=sides)


def plain() -> Graph:
    return Graph.of(["a", "b", "c"], ["r", "s"], np.array([[0, 0, 1], [2, 1, 2], [1, 0, 1]]))


def embedding_of(graph: Graph) -> Any:
    matrix = np.arange(2.0 * len(graph.entities), dtype=np.float32).reshape(-1, 2)
    return cast(Any, SimpleNamespace(matrix=matrix))


def test_scipy() -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    graph = typed()
    expected = np.zeros((5, 5))
    for (head, _, tail), weight in zip(graph.train.tolist(), cast(np.ndarray, graph.weights).tolist()):
        expected[head, tail] += weight
    np.testing.assert_array_equal(graph.to_scipy().toarray(), expected)
    assert graph.to_scipy("likes").sum() == 6.0
    again = Graph.of_scipy(graph.to_scipy(), graph.entities, relation="any")
    assert (again.entities, again.relations) == (graph.entities, ["any"])
    np.testing.assert_array_equal(again.to_scipy().toarray(), expected)
    assert Graph.of_scipy(sparse.eye_array(3)).weights is None
    with pytest.raises(UserError, match="weights are numbers above 0"):
        Graph.of_scipy(sparse.csr_array(np.array([[0, -1], [2, 0]])))
    with pytest.raises(UserError, match=r"\(2, 3\)"):
        Graph.of_scipy(sparse.csr_array(np.ones((2, 3))))
    with pytest.raises(UserError, match="no relation"):
        graph.to_scipy("hates")


def test_networkx() -> None:
    networkx = pytest.importorskip("networkx", reason="needs the extra networkx")
    graph = plain()
    there = graph.to_networkx(embedding=embedding_of(graph))
    assert list(there.nodes) == ["a", "b", "c"]
    assert there.nodes["c"]["x"].tolist() == [4.0, 5.0]
    again = Graph.of_networkx(there)
    # NetworkX lists edges by their head.
    assert (again.entities, again.relations) == (graph.entities, graph.relations)
    assert sorted(again.train.tolist()) == sorted(graph.train.tolist())
    several = typed().to_networkx()
    assert several.number_of_edges("z", "z") == 0
    keys = several.get_edge_data(("user", "a"), ("page", "x"))
    assert {key: data["weight"] for key, data in keys.items()} == {"likes": 1.0, ("likes", 2): 3.0}
    simple = networkx.Graph([(1, 2, {"weight": 2}), (2, 3)])
    simple.add_node("alone")
    found = Graph.of_networkx(simple)
    assert (found.entities, found.relations) == (["1", "2", "3", "alone"], ["related_to"])
    assert cast(np.ndarray, found.weights).tolist() == [2.0, 1.0]
    with pytest.raises(UserError, match="two nodes are called '1'"):
        Graph.of_networkx(networkx.Graph([(1, "1")]))
    with pytest.raises(UserError, match="is no number"):
        Graph.of_networkx(networkx.Graph([(1, 2, {"weight": "heavy"})]))


def test_pyg() -> None:
    data = pytest.importorskip("torch_geometric.data", reason="needs the extra geometric")
    import torch

    for graph in (plain(), typed()):
        there = graph.to_pyg(embedding=embedding_of(graph))
        assert there.validate()
        again = Graph.of_pyg(there)
        assert (again.entities, dict(again.types), again.sides) == (graph.entities, dict(graph.types), graph.sides)
        np.testing.assert_array_equal(again.train, graph.train)
        np.testing.assert_array_equal(again.weights, graph.weights)
    assert typed().to_pyg(embedding=embedding_of(typed()))["page"].x.tolist() == [[4, 5], [6, 7], [8, 9]]
    assert again.relations == ["likes", "links"]
    lone = data.Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=3)
    assert Graph.of_pyg(lone).entities == ["0", "1", "2"]
    hetero = data.HeteroData()
    hetero["a"].num_nodes = hetero["b"].num_nodes = 2
    hetero["a", "to", "b"].edge_index = torch.tensor([[0], [1]])
    hetero["b", "to", "a"].edge_index = torch.tensor([[0], [1]])
    found = Graph.of_pyg(hetero)
    assert found.relations == ["a to b", "b to a"]
    assert found.train.tolist() == [[0, 0, 3], [2, 1, 1]]
    with pytest.raises(UserError, match="no edge types"):
        Graph.of_pyg(data.HeteroData())
