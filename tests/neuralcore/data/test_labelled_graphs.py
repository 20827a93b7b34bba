"""Graphs with labels: each array that a file may have wrong, the generated communities, and Cora's counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuralcore.data.labelled_graphs import communities, read_labelled_graph, undirected
from neuralcore.errors import UserError

GOOD: dict[str, Any] = {
    "edges": np.array([[0, 1], [1, 0], [2, 1], [3, 3], [3, 1]]),
    "labels": np.array([0, 1, 1, 0, -1]),
    "features": np.array([[1, 0], [0, 2], [0, 0], [0, 3], [0, 0]], np.float32),
    "train_idx": np.array([0]),
    "val_idx": np.array([1]),
    "test_idx": np.array([2, 3]),
}


def written(path: Path, **changed: Any) -> str:
    arrays = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    np.savez(path / "graph.npz", **arrays)
    return str(path)


def test_a_graph_is_read(tmp_path: Path) -> None:
    graph = read_labelled_graph(written(tmp_path))
    assert graph.edges.tolist() == [[0, 1], [1, 2], [1, 3]]
    assert graph.both_ways().tolist() == [[1, 0, 2, 3, 1, 1], [0, 1, 1, 1, 2, 3]]
    assert graph.features is not None
    assert graph.features.toarray().tolist() == GOOD["features"].tolist()
    assert (len(graph), graph.names) == (5, ("0", "1"))
    assert graph.rows["test"].tolist() == [2, 3]
    parts = {
        "feat_indptr": np.array([0, 1, 2, 2, 3, 3]),
        "feat_indices": np.array([0, 1, 1]),
        "feat_data": np.array([1, 2, 3]),
        "feat_shape": np.array([5, 2]),
    }
    sparse = read_labelled_graph(written(tmp_path, features=None, names=np.array(["a", "b"]), **parts))
    assert sparse.features is not None
    assert (sparse.features.toarray() == graph.features.toarray()).all()
    assert sparse.names == ("a", "b")
    assert read_labelled_graph(written(tmp_path, features=None)).features is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"edges": None}, "lacks the array 'edges'"),
        ({"val_idx": None}, "lacks the array 'val_idx'"),
        ({"edges": np.array([[0, 1, 2]])}, r"edges should be \(E, 2\)"),
        ({"edges": np.array([[0, 9]])}, "names nodes 0 to 9, there are 5 labels"),
        ({"edges": np.array([[0.0, 1.0]])}, "edges has float64 values"),
        ({"labels": np.array([-1, -1])}, "classes from 0"),
        ({"train_idx": np.array([1])}, "in a split twice, or in two"),
        ({"train_idx": np.array([4])}, "node 4 is in a split and has no label"),
        ({"names": np.array(["a"])}, "names are 1, its labels go to 1"),
        ({"features": np.ones((3, 2))}, r"features are \(3, 2\)"),
        ({"features": np.full((5, 2), np.nan)}, "numbers should be finite"),
    ],
)
def test_what_a_file_may_have_wrong(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        read_labelled_graph(written(tmp_path, **changed))


def test_files_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file of a graph"):
        read_labelled_graph(str(tmp_path / "none.npz"))
    with pytest.raises(UserError, match=r"holds 0 \.npz files"):
        read_labelled_graph(str(tmp_path))
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(UserError, match="is damaged"):
        read_labelled_graph(str(tmp_path))
    np.savez(tmp_path / "bad.npz", edges=np.array([{}], object))
    with pytest.raises(UserError, match="is damaged"):
        read_labelled_graph(str(tmp_path))
    bad = {"feat_indptr": [0, 9], "feat_indices": [0], "feat_data": [1.0], "feat_shape": [5, 2]}
    (tmp_path / "bad.npz").unlink()
    with pytest.raises(UserError, match="no sparse matrix"):
        read_labelled_graph(written(tmp_path, features=None, **{k: np.array(v) for k, v in bad.items()}))


def test_communities() -> None:
    graph = communities(600, 3, within=8.0, across=2.0, seed=3)
    same = graph.labels[graph.edges[:, 0]] == graph.labels[graph.edges[:, 1]]
    assert 2 * same.sum() / 600 == pytest.approx(8.0, rel=0.1)
    assert 2 * (~same).sum() / 600 == pytest.approx(2.0, rel=0.2)
    assert np.array_equal(undirected(graph.edges), graph.edges)
    assert np.array_equal(communities(600, 3, within=8.0, across=2.0, seed=3).edges, graph.edges)
    rows = np.concatenate(list(graph.rows.values()))
    assert sorted(rows.tolist()) == list(range(600))
    with pytest.raises(ValueError, match="8 nodes for each"):
        communities(10, 3)


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "features", "splits"),
    [
        ("cora", 2_708, 5_278, 1_433, (140, 500, 1_000)),
        ("citeseer", 3_327, 4_552, 3_703, (120, 500, 1_000)),
        ("pubmed", 19_717, 44_324, None, (60, 500, 1_000)),
    ],
)
def test_citation_graphs(name: str, nodes: int, edges: int, features: int | None, splits, shared_data: Path) -> None:
    graph = read_labelled_graph(str(shared_data / f"graph-{name}"))
    assert (len(graph), len(graph.edges)) == (nodes, edges)
    assert (None if graph.features is None else graph.features.shape[1]) == features
    assert tuple(map(len, graph.rows.values())) == splits
