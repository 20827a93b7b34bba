from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from graphkit.graphs.graph import Graph
from graphkit.walks.graph import WalkGraph, read_lines
from neuralcore.errors import UserError


def rows(graph: WalkGraph) -> dict[str, list[str]]:
    """Each node's neighbours by name."""
    ends = zip(graph.offsets, graph.offsets[1:])
    return {name: [graph.names[n] for n in graph.neighbours[a:b]] for name, (a, b) in zip(graph.names, ends) if b > a}


def weights(graph: WalkGraph) -> dict[tuple[str, str], float]:
    assert graph.cumulative is not None
    found = {}
    for name, a, b in zip(graph.names, graph.offsets, graph.offsets[1:]):
        each = np.diff(graph.cumulative[a:b], prepend=0.0)
        found.update({(name, graph.names[n]): float(w) for n, w in zip(graph.neighbours[a:b], each)})
    return found


def test_an_edge_stands_in_both_rows_unless_it_is_directed(here: Path) -> None:
    Path("edges.tsv").write_text("c\tb\na\tb\nb\ta\na\ta\n")
    graph = WalkGraph.read("edges.tsv")
    assert graph.names == ["c", "a", "b"]
    assert rows(graph) == {"c": ["b"], "a": ["a", "b"], "b": ["c", "a"]}
    assert (graph.edges, graph.duplicates, graph.self_loops, graph.isolated) == (3, 1, 1, 0)
    assert str(graph) == "3 nodes, 3 edges, undirected (1 named again; 1 self-loops)"
    directed = WalkGraph.read("edges.tsv", directed=True)
    assert rows(directed) == {"c": ["b"], "a": ["a", "b"], "b": ["a"]}
    assert (directed.edges, directed.duplicates) == (4, 0)
    assert directed.digest != graph.digest


def test_weights_of_an_edge_add_up(here: Path) -> None:
    Path("edges.csv").write_text("a,b,1.5\nb,a,2\nb,c,0.25\nc,c,7\n")
    graph = WalkGraph.read("edges.csv", weighted=True)
    assert weights(graph) == {("a", "b"): 3.5, ("b", "a"): 3.5, ("b", "c"): 0.25, ("c", "b"): 0.25, ("c", "c"): 7.0}
    directed = WalkGraph.read("edges.csv", weighted=True, directed=True)
    assert weights(directed) == {("a", "b"): 1.5, ("b", "a"): 2.0, ("b", "c"): 0.25, ("c", "c"): 7.0}
    assert "weighted (1 named again, their weights added; 1 self-loops)" in str(graph)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b\nb  c \r\n\n c d\n", {("a", "b"), ("b", "c"), ("c", "d")}),
        ("# SNAP's head\n# From\tTo\n1\t2\r\n2\t3\r\n", {("1", "2"), ("2", "3")}),
        ("% KONECT\n\nnew york\tlos angeles\n#1\tnew york\n", {("new york", "los angeles"), ("#1", "new york")}),
        ('"Paris, France",Köln\nKöln,null\n', {("Paris, France", "Köln"), ("Köln", "null")}),
        ("\ufeffa,b\n", {("a", "b")}),
    ],
)
def test_separators_comments_and_names(text: str, expected: set[tuple[str, str]], here: Path) -> None:
    Path("edges.txt").write_bytes(text.encode())
    Path("edges.gz").write_bytes(gzip.compress(text.encode()))
    for path in ("edges.txt", "edges.gz"):
        graph = WalkGraph.read(path, directed=True)
        assert {(head, tail) for head, tails in rows(graph).items() for tail in tails} == expected


def test_files_and_folders_of_embed(here: Path) -> None:
    Path("edges.tsv").write_text("a\tlikes\tb\nb\thates\ta\nc\tlikes\ta\n")
    expected = {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    graph = WalkGraph.read("edges.tsv")
    assert rows(graph) == {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    assert graph.duplicates == 1
    Path("folder").mkdir()
    Path("edges.tsv").rename("folder/train.tsv")
    Path("folder/test.tsv").write_text("b\tlikes\td\n")
    graph = WalkGraph.read("folder")
    assert rows(graph) == expected
    assert graph.isolated == 1  # d, which only the test edges name
    Graph.read("folder").save("saved")
    assert rows(WalkGraph.read("saved")) == expected


def test_nodes_without_edges(here: Path) -> None:
    Path("edges.tsv").write_text("a\tb\n")
    Path("nodes.txt").write_text("b\nnew york\n\nnew york\nz\n")
    graph = WalkGraph.read("edges.tsv", nodes="nodes.txt")
    assert graph.names == ["a", "b", "new york", "z"]
    assert graph.isolated == 2
    assert rows(graph) == {"a": ["b"], "b": ["a"]}
    assert read_lines(Path("nodes.txt"))[1] == "new york"


@pytest.mark.parametrize(
    ("text", "weighted", "message"),
    [
        ("a b\nc\n", False, "edges.txt:2: 1 columns between spaces, expected node and neighbour"),
        ("a b 2\n", False, "edges.txt:1: 3 columns between spaces.*--weighted takes a third column as the weight"),
        ("a,b\nc,,\n", False, "edges.txt:2: 3 columns between commas"),
        ("#\na\tb\nc\t\n", False, "edges.txt:3: column 2 is empty; every node has a name"),
        ("a b 2\nb c x\n", True, "edges.txt:2: the weight 'x' is not a number above 0"),
        ("a b 2\nb c 0\n", True, "edges.txt:2: the weight '0' is not a number above 0"),
        ("a b 2\nb c nan\n", True, "edges.txt:2: the weight 'nan'"),
        ("a,b,inf\n", True, "edges.txt:1: the weight 'inf'"),
        ("a b\n", True, "edges.txt:1: 2 columns between spaces, expected node, neighbour and weight"),
        ("1\t2\t0.5\n2\t1\t0.5\n", False, "for weights add --weighted"),
        ("# nothing\n", False, "edges.txt holds no edges"),
        ("\n# nothing", False, "edges.txt holds no edges"),
    ],
)
def test_a_bad_line_is_named(text: str, weighted: bool, message: str, here: Path) -> None:
    Path("edges.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        WalkGraph.read("edges.txt", weighted=weighted)


def test_what_is_no_edge_list_is_told(here: Path) -> None:
    with pytest.raises(UserError, match=r"no edge list missing\.tsv"):
        WalkGraph.read("missing.tsv")
    Path("latin.tsv").write_bytes("a\tb\né\tb\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.tsv:2: byte 4 is not UTF-8"):
        WalkGraph.read("latin.tsv")
    Path("cut.gz").write_bytes(gzip.compress(b"a\tb\n" * 99)[:-9])
    with pytest.raises(UserError, match=r"cut\.gz cannot be read"):
        WalkGraph.read("cut.gz")
    Path("folder").mkdir()
    Path("folder/train.tsv").write_text("a\tb\n")
    with pytest.raises(UserError, match="folder is a folder, whose files have no weights"):
        WalkGraph.read("folder", weighted=True)


@pytest.mark.parametrize(
    ("names", "edges", "weights", "message"),
    [
        (["a", "b"], np.empty((0, 2), np.int64), None, r"shape \(0, 2\)"),
        (["a", "b"], np.array([[0, 2]]), None, "nodes from 0 to 2, but there are 2 names"),
        (["a", "a"], np.array([[0, 1]]), None, "1 names are there twice"),
        (["a", "b"], np.array([[0, 1]]), np.array([-1.0]), "weights must be 1 numbers above 0"),
        (["a", "b"], np.array([[0, 1]]), np.ones(2), "weights must be 1 numbers above 0"),
    ],
)
def test_arrays_that_do_not_fit(
    names: list[str], edges: np.ndarray, weights: np.ndarray | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        WalkGraph.of(names, edges, weights)
