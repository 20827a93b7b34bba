"""Importing edge lists: against `Graph.read` and plain Python, every format, bad rows, splits, duplicates, types."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import graphkit.graphs.repeats
from graphkit.cli import main
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.graphs.graph import Graph
from graphkit.graphs.importers import import_graph
from graphkit.graphs.names import Names
from graphkit.graphs.repeats import repeats
from neuralcore import errors
from neuralcore.errors import UserError, nearest

Named = list[tuple[str, str, str]]


def some_edges(count: int = 300) -> Named:
    """Names of any kind, some edges several times, some from an entity to itself."""
    rng = np.random.default_rng(3)
    names = ["é à", "日本", '"quoted', " b ", "NA", "null", "1", "😀", *(f"n{i}" for i in range(40))]
    ends, kinds = rng.integers(len(names), size=(count, 2)).tolist(), rng.integers(4, size=count).tolist()
    return [(names[h], f"r{r}", names[t]) for (h, t), r in zip(ends, kinds)]


def write_tsv(path: Path, edges: Any) -> Path:
    text = "".join("\t".join(map(str, edge)) + "\n" for edge in edges).encode()
    if path.suffix == ".zst":
        text = pytest.importorskip("zstandard", reason="needs the extra zst").ZstdCompressor().compress(text)
    path.write_bytes({".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)(text))
    return path


def named(graph: Graph, split: str = "train") -> Named:
    return [(graph.entities[h], graph.relations[r], graph.entities[t]) for h, r, t in graph.edges[split].tolist()]


def folder_of(path: Path, *sources: Path, **settings: Any) -> Graph:
    import_graph(sources, path / "g", **settings)
    assert not [p for p in path.iterdir() if ".new_" in p.name]
    return Graph.read(path / "g")


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_it_is_the_graph_that_read_gives(tmp_path: Path, suffix: str) -> None:
    edges = some_edges()
    file = write_tsv(tmp_path / f"e.tsv{suffix}", edges)
    graph = folder_of(tmp_path, file)
    read = Graph.read(write_tsv(tmp_path / "plain.tsv", edges))
    assert named(graph) == named(read) == edges
    assert (graph.duplicates, graph.self_loops) == (read.duplicates, read.self_loops)
    assert sum(Counter(edges).values()) - len(Counter(edges)) == graph.duplicates
    assert isinstance(graph.train, np.memmap)
    assert graph.train.dtype == np.int32
    assert graph.entities[:3] == list(dict.fromkeys(name for h, _, t in edges for name in (h, t)))[:3]
    # The same names and edges in memory: all that a checkpoint must agree with, and what can be saved again.
    again = Graph.of(list(graph.entities), graph.relations, np.array(graph.train, np.int64))
    assert again.digest() == graph.digest()
    assert Graph.read(graph.save(tmp_path / "saved")).digest() == graph.digest()


def test_names_are_a_lazy_list(tmp_path: Path) -> None:
    edges = some_edges()
    names = folder_of(tmp_path, write_tsv(tmp_path / "e.tsv", edges)).entities
    plain = list(dict.fromkeys(name for h, _, t in edges for name in (h, t)))
    assert names == plain
    assert (names[-1], names[2:5], names[::7]) == (plain[-1], plain[2:5], plain[::7])
    assert [names.index(name) for name in plain] == list(range(len(plain)))
    assert names[5:].index(plain[9]) == 4
    assert "日本" in names
    assert "日" not in names
    with pytest.raises(ValueError, match="not among"):
        names.index("nobody")
    with pytest.raises(IndexError):
        names[len(plain)]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "tsv"])
def test_every_format_and_chosen_columns(tmp_path: Path, kind: str) -> None:
    edges = some_edges(50)
    heads, relations, tails = zip(*edges)
    weights = [0.5 + i for i in range(50)]
    columns = {"w": weights, "to": tails, "why": relations, "extra": [None] * 50, "from": heads}
    table = pyarrow.table({**columns, "from": pyarrow.array(heads).dictionary_encode()})
    file = tmp_path / f"e.{kind}"
    if kind == "parquet":
        pyarrow.parquet.write_table(table, file, row_group_size=7)
    elif kind == "arrow":
        with pyarrow.OSFile(str(file), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=9)
    elif kind == "csv":
        lines = [columns, *zip(weights, tails, relations, [""] * 50, heads)]
        quoted = [",".join('"{}"'.format(str(v).replace('"', '""')) for v in line) for line in lines]
        file.write_text("\r\n".join(quoted))
    else:
        write_tsv(file, [list(columns), *zip(weights, tails, relations, [""] * 50, heads)])
    graph = folder_of(tmp_path, file, columns=["from", "why", "to", "w"])
    assert named(graph) == edges
    assert graph.weights is not None
    np.testing.assert_array_equal(graph.weights, np.array(weights, np.float32))
    import_graph([file], tmp_path / "two", columns=[5, 2], header=True)
    assert named(Graph.read(tmp_path / "two")) == [(h, "related_to", t) for h, _, t in edges]


BAD = [
    (b"a\tr\n", r":2:3: 2 columns, expected 3", "too few columns"),
    (b"a\tr\tb\tc\n", r":2:4: 4 columns, expected 3", "too many columns"),
    (b"a\t\tb\n", r":2:2: the relation is empty", "empty name"),
    (b"a\tr\t\xff\n", r":2:3: the tail is not UTF-8 \(byte 0xff\)", "not UTF-8"),
    (b"\xed\xa0\x80\tr\tb\n", r":2:1: the head is not UTF-8", "not UTF-8"),
    (b"a\tr\tb\0\n", r":2:3: the tail has a NUL byte", "NUL byte"),
]


@pytest.mark.parametrize(("row", "message", "reason"), BAD)
def test_a_bad_row_is_named_or_skipped(tmp_path: Path, row: bytes, message: str, reason: str) -> None:
    file = tmp_path / "e.tsv"
    file.write_bytes("ä\tr\tö\n".encode() + row + b"a\tr\tb")
    with pytest.raises(UserError, match=message):
        import_graph([file], tmp_path / "g")
    assert sorted(tmp_path.iterdir()) == [file]
    assert import_graph([file], tmp_path / "g", bad_rows="skip").skipped == {reason: 1}
    assert named(Graph.read(tmp_path / "g")) == [("ä", "r", "ö"), ("a", "r", "b")]


def test_bad_weights(tmp_path: Path) -> None:
    weights = ["1.5", "+2e-1", "0", "-1", "x", "", "nan", "inf", "1e60", " 1"]
    file = write_tsv(tmp_path / "e.tsv", [("a", "r", f"b{i}", weight) for i, weight in enumerate(weights)])
    done = import_graph([file], tmp_path / "g", bad_rows="skip")
    graph = Graph.read(tmp_path / "g")
    assert done.skipped == {"weight is no number": 5, "weight is not a number above 0": 3}
    assert graph.weights is not None
    np.testing.assert_allclose(graph.weights, [1.5, 0.2])
    with pytest.raises(UserError, match=r"e\.tsv:3:4: weight 0 is not a number above 0"):
        import_graph([file], tmp_path / "h")
    pyarrow.parquet.write_table(pyarrow.table({"head": ["a", "b"], "tail": ["c", None]}), tmp_path / "e.parquet")
    with pytest.raises(UserError, match=r"e\.parquet: row 2, column 'tail': empty name"):
        import_graph([tmp_path / "e.parquet"], tmp_path / "h")


def test_quoted_csv_counts_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "e.csv"
    file.write_text('head,tail\n"two\nlines",b\na,"say ""b"""\na,\n')
    with pytest.raises(UserError, match=r"e\.csv:5:2: the tail is empty"):
        import_graph([file], tmp_path / "g")
    graph = folder_of(tmp_path, file, bad_rows="skip")
    assert graph.entities == ["two\nlines", "b", "a", 'say "b"']


def test_splits_are_drawn_and_seen(tmp_path: Path) -> None:
    edges = list(dict.fromkeys((f"n{i * i % 997}", f"r{i % 3}", f"n{i}") for i in range(3000)))
    file = write_tsv(tmp_path / "e.tsv", edges + edges[:500])
    done = import_graph([file], tmp_path / "a", split=[0.8, 0.1, 0.1], seed=1)
    graph = Graph.read(tmp_path / "a")
    for split, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        assert abs(len(graph.edges[split]) / 3500 - share) < 0.03
    assert Counter(e for split in graph.edges for e in named(graph, split)) == Counter(edges + edges[:500])
    assert not set(named(graph)) & set(named(graph, "test"))  # not even those that are there twice
    assert done.duplicates == 500
    import_graph([file], tmp_path / "b", split=[0.8, 0.1, 0.1], seed=2)
    assert named(Graph.read(tmp_path / "b")) != named(graph)
    moved = import_graph([file], tmp_path / "c", split=[0.8, 0.1, 0.1], seed=1, seen=True).moved
    seen = Graph.read(tmp_path / "c")
    assert moved == len(seen.train) - len(graph.train) > 0
    known = set(seen.train[:, [0, 2]].ravel().tolist())
    assert all(set(seen.edges[split][:, [0, 2]].ravel().tolist()) <= known for split in ("valid", "test"))
    assert sorted(map(tuple, seen.all_edges().tolist())) == sorted(map(tuple, graph.all_edges().tolist()))


def test_duplicates_are_summed(tmp_path: Path) -> None:
    edges = [
        ("a", "r", "b", 1.0),
        ("b", "r", "b", 2.0),
        ("a", "r", "b", 0.5),
        ("a", "s", "b", 4.0),
        ("a", "r", "b", 3.0),
    ]
    file = write_tsv(tmp_path / "e.tsv", edges)
    done = import_graph([file], tmp_path / "g", duplicates="sum")
    graph = Graph.read(tmp_path / "g")
    assert (done.summed, graph.duplicates, graph.self_loops) == (2, 0, 1)
    assert named(graph) == [("a", "r", "b"), ("b", "r", "b"), ("a", "s", "b")]
    assert graph.weights is not None
    np.testing.assert_array_equal(graph.weights, [4.5, 2.0, 4.0])


def test_repeats_are_found_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).integers(9, size=(2000, 3)).astype(np.int32)
    first: dict[tuple[int, ...], int] = {}
    expected = {i: first[row] for i, row in enumerate(map(tuple, rows.tolist())) if first.setdefault(row, i) != i}
    for part in (4000, 100, 1):
        found = [pair for again, at in repeats(rows, part) for pair in zip(again.tolist(), at.tolist())]
        assert dict(found) == expected
        assert len(found) == len(expected)
    assert graphkit.graphs.repeats.count_repeats(rows) == len(expected)


def test_types_are_those_of_embed(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[relations.likes]\nhead = "user"\ntail = "page"\n')
    file = write_tsv(tmp_path / "e.tsv", [("apple", "likes", "news"), ("bob", "likes", "apple")])
    assert main(["import", str(file), "--out", str(tmp_path / "g"), "--config", str(tmp_path / "c.toml")]) == 0
    graph, read = Graph.read(tmp_path / "g"), Graph.read(file, {"likes": ("user", "page")})
    assert graph.entities == ["apple", "bob", "news", "apple"]
    assert (graph.types, graph.sides) == (read.types, read.sides) == ({"user": 2, "page": 2}, [("user", "page")])
    np.testing.assert_array_equal(graph.train, [[0, 0, 2], [1, 0, 3]])


def test_a_folder_of_splits_and_several_files(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    write_tsv(tmp_path / "f" / "train.tsv", [("a", "b")])
    write_tsv(tmp_path / "f" / "test.tsv.gz", [("b", "c")])
    import_graph([tmp_path / "f"], tmp_path / "g")
    assert {split: len(rows) for split, rows in Graph.read(tmp_path / "g").edges.items()} == {"train": 1, "test": 1}
    import_graph([tmp_path / "f" / "test.tsv.gz", tmp_path / "f" / "train.tsv"], tmp_path / "h")
    assert named(Graph.read(tmp_path / "h")) == [("b", "related_to", "c"), ("a", "related_to", "b")]


def test_vectors_are_learned_from_a_folder(tmp_path: Path) -> None:
    file = write_tsv(tmp_path / "e.tsv", some_edges())
    imported = folder_of(tmp_path, file, split=[0.9, 0.1])
    plain = Graph.of(list(imported.entities), imported.relations, {s: np.array(e) for s, e in imported.edges.items()})
    models = [GraphEmbedding(graph, dimension=8).fit(epochs=2) for graph in (imported, plain)]
    assert models[0].evaluate("valid") == models[1].evaluate("valid")
    assert models[0].predict("日本", "r1", new_only=True) == models[1].predict("日本", "r1", new_only=True)
    again = GraphEmbedding.load(models[0].save(tmp_path / "vectors"))
    np.testing.assert_array_equal(again.matrix, models[1].matrix)
    assert again.graph.digest() == imported.digest()


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    file = write_tsv(tmp_path / "e.tsv.gz", [(f"a{i * i}", "r", f"b{i}") for i in range(9000)])
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"e\.tsv\.gz is damaged or cut off"):
        import_graph([file], tmp_path / "g")
    assert sorted(tmp_path.iterdir()) == [file]


def test_mistakes_are_told_and_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = write_tsv(tmp_path / "e.tsv", [("a", "r", "b")])
    (tmp_path / "there").mkdir()
    write_tsv(tmp_path / "there" / "x.tsv", [("a", "r", "b")])
    for words, message in [
        ([tmp_path / "f.tsv"], "did you mean 'e.tsv'"),
        ([file, "--columns", "1,2,9"], "no column '9' for the tail"),
        ([file, "--columns", "1"], "give head,tail"),
        ([file, "--split", "0.5,0.6"], "sum to 1"),
        ([file, "--seen"], "there is no split"),
        ([file, "--delimiter", ","], "1 column, expected 2 to 4"),
    ]:
        assert main(["import", *map(str, words), "--out", str(tmp_path / "new" / "g")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
    with pytest.raises(UserError, match="is there already"):
        import_graph([file], tmp_path / "there")
    import_graph([file], tmp_path / "g")
    data = (tmp_path / "g" / "train.npy").read_bytes()
    (tmp_path / "g" / "train.npy").write_bytes(data[:-1] + b"\1")
    with pytest.raises(UserError, match="is damaged"):
        Graph.read(tmp_path / "g")


def test_nearest_of_many_names_is_difflib_s(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijkæø_0123"))
    names = [
        "".join(letters[generator.integers(0, len(letters), size=n)]) for n in generator.integers(6, 15, size=900)
    ]
    mapped = Names.of(names)
    slips = ["", "a", "9999999"]
    for name in names[::30]:
        at = len(name) // 2
        slips += [
            name[:at] + "Z" + name[at + 1 :],
            name[1:],
            name + "9",
            name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
        ]
    told = {slip: nearest(slip, names) for slip in slips}
    monkeypatch.setattr(errors, "COMPARED", 800)
    for slip, message in told.items():
        guess = message.split("known: ")[0]
        assert nearest(slip, names).split("known: ")[0] == guess == nearest(slip, mapped).split("known: ")[0]
    assert "known: " + ", ".join(names[:20]) + ", … (900 in all)" in nearest("none", mapped)


@pytest.mark.faults
def test_kill_9_leaves_nothing_once_it_is_imported_again(tmp_path: Path) -> None:
    source, out = write_tsv(tmp_path / "edges.tsv", some_edges(3000)), tmp_path / "out"
    script = (
        "import sys, time\nfrom graphkit.graphs import import_stage, importers\n"
        "def wait(self, result, **settings):\n    print('half-way', flush=True)\n    time.sleep(600)\n"
        "import_stage.Stage.finish = wait\nimporters.import_graph([sys.argv[1]], sys.argv[2])\n"
    )
    other = tmp_path / "out.new_cellar"  # whose name only looks like a left one's
    other.mkdir()
    halves = [
        subprocess.Popen([sys.executable, "-c", script, source, out], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for half in halves:
            assert half.stdout is not None
            assert half.stdout.readline() == "half-way\n"
        assert len(list(tmp_path.glob("out.new_*"))) == 3
        halves[0].kill()
        halves[0].wait()
        import_graph([source], out)
        left = set(tmp_path.glob("out.new_*")) - {other}
        assert len(left) == 1, "the folder of the import that is still running stays, the killed one's goes"
        assert list(left.pop().iterdir())
        halves[1].kill()
        halves[1].wait()
        shutil.rmtree(out)
        import_graph([source], out)
        assert sorted(tmp_path.iterdir()) == sorted([source, out, other])
    finally:
        for half in halves:
            half.kill()
            half.communicate()
    assert named(Graph.read(out)) == some_edges(3000)
