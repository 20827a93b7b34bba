"""Edges with a ? in them at the shell: flags, the typed form, files of queries, the prompt, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from graphkit import Graph, GraphEmbedding, SearchIndex
from graphkit.cli import main
from graphkit.search import prompt
from graphkit.search.opened import Opened

CITIES, COUNTRIES = ["Berlin", "Paris", "Bern", "Prague, old"], ["Germany", "France", "Switzerland", "Czechia"]


@pytest.fixture(scope="module")
def model() -> GraphEmbedding:
    edges = np.array([[i, 0, 4 + i] for i in range(4)] + [[i, 1, 4 + i] for i in range(4)] + [[0, 1, 5], [1, 1, 6]])
    graph = Graph.of(
        CITIES + COUNTRIES,
        ["capital_of", "/place/place/in"],
        edges,
        ["", "City of Light", *[""] * 6],
        types={"city": 4, "country": 4},
        sides=[("city", "country")] * 2,
    )
    return GraphEmbedding(graph, dimension=8).fit(60)


def test_flags_and_the_typed_form_are_one(run: str, model, lines):
    assert main(["search", run, "berlin, capital of, ?", "--head", "Berlin", "--relation", "capital_of"]) == 0
    flags, typed = lines()
    assert flags["query"] == "Berlin, capital_of, ?"
    assert typed["query"] == "berlin, capital of, ?"
    assert flags["matches"] == typed["matches"]
    assert [(m["name"], m["rank"]) for m in typed["matches"][:1]] == [("Germany", 1)]
    right = model.predict("Berlin", "capital_of")
    np.testing.assert_allclose([m["score"] for m in typed["matches"]], [score for _, score in right], rtol=1e-4)
    del typed["matches"]
    assert typed == {
        "query": "berlin, capital of, ?",
        "understood": "Berlin, capital_of, ?",
        "mode": "relation",
        "metric": "dot",
        "head": "Berlin",
        "relation": "capital_of",
        "tail": None,
        "asked": "tail",
        "modes": {"head": "case-folded", "relation": "case-folded"},
    }
    assert main(["search", run, "--tail", "germany", "--relation", "in", "--k", "1", "--new-only"]) == 0
    (found,) = lines()
    assert found["asked"] == "head"
    assert found["matches"][0]["name"] != "Berlin"
    assert main(["search", run, "--head", "berlin", "--tail", "germany", "--new-only"]) == 0
    assert lines()[0]["matches"] == []  # both are edges already
    assert main(["search", run, "--head", "bern", "--tail", "germany", "--k", "1"]) == 0
    assert len(lines()[0]["matches"]) == 1


def test_a_file_of_edges_and_names(run: str, model, capsys, lines):
    Path("asks.txt").write_text("?, capital_of, France\nBern\nPrague, old, in, ?\nParis, ?, France\n")
    assert main(["search", run, "--queries", "asks.txt", "--k", "2", "--metric", "l2"]) == 0
    found = lines()
    assert [line["mode"] for line in found] == ["relation", "exact", "relation", "relation"]
    assert [line["metric"] for line in found] == ["dot", "l2", "dot", "dot"]
    assert [line["matches"][0]["name"] for line in found[::2]] == ["Paris", "Czechia"]
    assert {m["name"] for m in found[3]["matches"]} == set(model.graph.relations)
    assert main(["search", run, "--queries", "asks.txt", "--k", "2", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 8
    assert rows[0]["understood"] == "?, capital_of, France"
    assert [row["metric"] for row in rows[::2]] == ["dot", "cosine", "dot", "dot"]
    assert main(["search", run, "city of light, in, ?", "--format", "table"]) == 0
    assert "Paris, /place/place/in, ? (relation, head case-folded, relation suffix) · dot" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--queries", "bad.txt"], "bad.txt, query 2: no name 'Rome' among 4: none is near (heads of"),
        (["Berlin, capital, Germany, ?"], "is not understood, wherever its commas part it"),
        (["Germany, capital of, ?"], "'Germany' is of type country"),
        (["--head", "Berlin"], "of an edge give two of --head, --relation and --tail"),
        (["Berlin", "--new-only"], "--new-only changes nothing here"),
        (["Berlin, in, ?", "--where", "type=city"], "whose answers no conditions restrict"),
        (["Berlin, in, ?", "--metric", "l2"], "edges are scored as the graph was trained"),
        (["Berlin, in, ?", "--factory", "Flatt"], "FAISS refuses factory 'Flatt'"),
    ],
)
def test_mistakes(run: str, words: list[str], told: str, capsys):
    Path("bad.txt").write_text("Berlin, in, ?\nRome, in, ?\n")
    assert main(["search", run, *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert told in printed.err


def test_an_index_has_no_edges(run: str, tmp_path: Path, capsys, lines):
    SearchIndex.build(np.eye(3), ["a", "b", "c, d, ?"]).save("index")
    assert main(["search", "index", "a, in, ?"]) == 2
    assert "'a, in, ?' asks for an edge: index holds an index and no trained graph" in capsys.readouterr().err
    assert main(["search", "index", "c, d, ?"]) == 0  # who is called so is a name
    assert lines()[0]["mode"] == "exact"


def test_an_approximate_index_tells_what_it_finds(run: str, capsys):
    assert main(["search", run, "Berlin, in, ?", "--factory", "IVF2,Flat", "--recall", "1"]) == 0
    assert capsys.readouterr().err.endswith("edges: recall@10 1.000 among entities of type 'country'\n")


def test_the_prompt(run: str, capsys):
    left = iter(
        ["berlin, capital of, ?", ":where type=city", "?, capital of, germany", ":new", "Berlin, in, ?", "x, y, ?"]
    )

    def read(_: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    prompt.ask(Opened(Path(run)), 1, read=read)
    printed = capsys.readouterr()
    assert printed.out.count("· dot") == 3
    blocks = [block.split("score")[1].split()[:2] for block in printed.out.split("· dot")[1:]]
    assert blocks[:2] == [["1", "Germany"], ["1", "Berlin"]]
    assert blocks[2][1] != "Germany"
    assert "edges of the graph are left out" in printed.out
    assert "no relation 'y'" in printed.err
