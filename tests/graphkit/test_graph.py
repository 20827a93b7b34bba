from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from graphkit import samples
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError


def test_a_folder_of_splits(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a\tlikes\tb\nb\tlikes\tc\nb\tlikes\tc\nc\tis\tc\n")
    (tmp_path / "test.tsv.gz").write_bytes(gzip.compress("d\tis\té à\r\n".encode()))
    (tmp_path / "entity2name.tsv.xz").write_bytes(lzma.compress(b"a\tAnna\nc\tCarl\nz\tnobody\n"))
    graph = Graph.read(tmp_path)
    assert graph.entities == ["a", "b", "c", "d", "é à"]
    assert graph.relations == ["likes", "is"]
    np.testing.assert_array_equal(graph.train, [[0, 0, 1], [1, 0, 2], [1, 0, 2], [2, 1, 2]])
    np.testing.assert_array_equal(graph.edges["test"], [[3, 1, 4]])
    assert graph.titles == ["Anna", "", "Carl", "", ""]
    assert (graph.duplicates, graph.self_loops) == (1, 1)
    assert "1 duplicates and 1 self-loops among them, kept" in str(graph)
    assert len(graph.all_edges()) == 5


def test_two_columns_are_one_relation(tmp_path: Path) -> None:
    (tmp_path / "e.tsv").write_text("a\tb\nb\tc\n\n")
    graph = Graph.read(tmp_path / "e.tsv")
    assert graph.relations == ["related_to"]
    assert graph.titles == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tr\tb\na\tr\n", r"e\.tsv:2: 2 columns, expected 3"),
        (b"a b c\n", r"e\.tsv:1: 1 column, expected 2 or 3 separated by tabs"),
        (b"a\tr\tb\n\tr\tb\n", r"e\.tsv:2: column 1 is empty"),
        (b"a\tr\tb\na\tr\t\xff\n", r"e\.tsv:2: byte 10 is not UTF-8"),
        (b"a\tr\tb\na\tr\t\0\n", r"e\.tsv:2: NUL byte"),
        (b"\n\n", "holds no edges"),
    ],
)
def test_bad_rows_name_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "e.tsv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        Graph.read(tmp_path / "e.tsv")


def test_names_are_taken_as_they_stand(tmp_path: Path) -> None:
    """Neither quotes nor spaces nor what other readers take for "missing" is special; a byte order mark is."""
    content = '\ufeff"a\tis\tNA\r\nnull\tis\t c \n\n1\tis\t日本'
    (tmp_path / "e.tsv").write_bytes(content.encode())
    graph = Graph.read(tmp_path / "e.tsv")
    assert graph.entities == ['"a', "null", "1", "NA", " c ", "日本"]
    np.testing.assert_array_equal(graph.train, [[0, 0, 3], [1, 0, 4], [2, 0, 5]])


def test_saved_and_read_again(tmp_path: Path) -> None:
    graph = Graph.of(["a", "b"], ["r"], {"train": np.array([[0, 0, 1], [0, 0, 1]]), "test": np.array([[1, 0, 1]])})
    again = Graph.read(graph.save(tmp_path / "g"))
    assert (again.entities, again.relations, again.titles) == (["a", "b"], ["r"], [])
    assert (again.digest(), again.duplicates, again.self_loops) == (graph.digest(), 1, 1)
    np.testing.assert_array_equal(again.edges["test"], [[1, 0, 1]])
    (arrays,) = (tmp_path / "g").glob("arrays_*")
    data = arrays.read_bytes()
    arrays.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match="damaged"):
        Graph.read(tmp_path / "g")


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no edge list"):
        Graph.read(tmp_path / "nothing.tsv")
    with pytest.raises(UserError, match=r"holds no train\.tsv"):
        Graph.read(tmp_path)
    (tmp_path / "e.tsv.xz").write_bytes(b"not xz")
    with pytest.raises(UserError, match="cannot be read"):
        Graph.read(tmp_path / "e.tsv.xz")


def test_arrays_are_checked() -> None:
    with pytest.raises(UserError, match=r"edge 1 is \[0, 0, 2\], beyond \[2, 1, 2\]"):
        Graph.of(["a", "b"], ["r"], np.array([[0, 0, 1], [0, 0, 2]]))
    with pytest.raises(UserError, match="expected"):
        Graph.of(["a"], ["r"], np.zeros((0, 3), np.int64))


def test_the_shipped_wordnet_has_the_published_counts() -> None:
    graph = Graph.read(samples.path("wn18rr"))
    assert {split: len(rows) for split, rows in graph.edges.items()} == {"train": 86835, "valid": 3034, "test": 3134}
    assert (len(graph.entities), len(graph.relations)) == (40943, 11)
    assert graph.titles[graph.entities.index("02084071")] == "dog.n.01"
    with pytest.raises(UserError, match="did you mean 'wn18rr'"):
        samples.path("wn18")
