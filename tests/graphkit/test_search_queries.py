"""Analogies, fuzzy names, batches, the prompt, and the command over files of queries, filters and foreign indices."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from graphkit import SearchIndex
from graphkit.cli import main
from graphkit.search import prompt
from graphkit.search.matches import Match
from graphkit.search.name_lookup import NameLookup
from graphkit.search.opened import Opened
from neuralcore.errors import UserError

N, D = 97, 7
METRICS = ("cosine", "dot", "l2")


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def names() -> list[str]:
    return [f"row {i}." for i in range(N)]


def scores(matrix: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    if metric == "l2":
        return -np.linalg.norm(matrix - query, axis=1)
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(query) if metric == "cosine" else 1
    return matrix @ query / lengths


@pytest.mark.parametrize("metric", METRICS)
def test_analogies_against_brute_force(matrix, names, metric: str):
    index = SearchIndex.build(matrix, names, metric=metric)
    rows = matrix.astype(np.float64)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for a, b, c in ((0, 1, 2), (5, 9, 5), (7, 7, 8)):
        right = scores(rows, rows[a] - rows[b] + rows[c], metric)
        right[[a, b, c]] = -np.inf
        found = index.analogy(names[a], names[b], names[c], 5)
        assert [m.name for m in found] == [names[i] for i in np.argsort(-right)[:5]]
        np.testing.assert_allclose([m.score for m in found], np.sort(right)[::-1][:5], rtol=1e-5)
        understood = f"{names[a]} - {names[b]} + {names[c]}"
        assert (found.mode, found.name) == ("analogy", understood)
        assert index.search(understood.upper(), 5) == found
        both = index.search(["row 3.", understood, "ROW 4."], 5)  # alone or in a batch, bit for bit
        assert both == [index.search("row 3.", 5), found, index.search("row 4.", 5)]
        assert [each.mode for each in both] == ["exact", "analogy", "case-folded"]


def test_a_name_may_look_like_an_analogy(matrix):
    index = SearchIndex.build(matrix[:4], ["a", "b", "c", "a - b + c"])
    assert index.search("a - b + c").mode == "exact"
    assert index.analogy("a", "b", "c")[0].name == "a - b + c"
    with pytest.raises(UserError, match="no name 'x' among 4"):
        index.search("a - x + c")


def test_an_analogy_that_is_zero(names):
    index = SearchIndex.build([[1, 0], [2, 0], [-1, 0]], names[:3])
    with pytest.raises(UserError, match="is zero, to which nothing is nearer"):
        SearchIndex.build([[1, 0], [2, 0], [1, 0]], names[:3], metric="dot").analogy("row 0.", "row 1.", "row 2.")
    assert len(index.analogy("row 0.", "row 1.", "row 2.")) == 0  # all three are left out


def test_fuzzy(matrix):
    index = SearchIndex.build(matrix[:4], ["banana", "orange", "cherry", "grapefruit"], titles=["", "", "", "Pomelo"])
    found = index.search("bannana", fuzzy=True)
    assert (found.mode, found.name) == ("fuzzy", "banana")
    assert index.search("pomello", fuzzy=True).name == "grapefruit"
    assert index.search("CHERRY", fuzzy=True).mode == "case-folded"
    with pytest.raises(UserError, match="no name 'bannana' among 4: did you mean 'banana'"):
        index.search("bannana")
    with pytest.raises(UserError, match="none is near"):
        index.search("zzzz", fuzzy=True)
    index.remove(["banana"])
    with pytest.raises(UserError, match="no name 'bannana' among 3: none is near"):
        index.search("bannana")
    index.add(["bananas"], matrix[5:6])
    assert index.search("bannana", fuzzy=True).name == "bananas"


def test_suggestions(matrix, names):
    index = SearchIndex.build(matrix, names)
    assert index.suggest("ROW 1", 3) == ["row 1.", "row 10.", "row 11."] or len(index.suggest("ROW 1", 3)) == 3
    assert set(index.suggest("row 1", 99)) == {name for name in names if name.startswith("row 1")}
    assert index.suggest("rwo 17.", 5)[0].startswith("row")
    assert index.suggest("zzz") == []


def test_folding_against_every_name():
    """Equal and begun names by bisection are those that comparing each one finds, in any script."""
    draw = np.random.default_rng(0)
    letters = list("abAB_ é√中\U0001f600\u00dfẞ")
    names = sorted({"".join(draw.choice(letters, int(draw.integers(1, 6)))) for _ in range(500)})
    titles = ["".join(draw.choice(letters, int(draw.integers(0, 4)))) for _ in names]
    lookup = NameLookup(names, titles)

    def fold(text: str) -> str:
        return text.casefold().replace("_", " ")

    for query in [fold(text) for text in (*names[::7], *titles[::9], "a", "", "zz")]:
        keys = [{fold(name), fold(title or name)} for name, title in zip(names, titles)]
        assert lookup.folded.same(query) == [row for row, mine in enumerate(keys) if query in mine]
        begun = [row for row, mine in enumerate(keys) if any(key.startswith(query) for key in mine)]
        assert lookup.folded.begun(query) == begun


def test_half_a_character_is_refused(matrix):
    index = SearchIndex.build(matrix[:2], ["a", "b"])
    with pytest.raises(UserError, match="is not UTF-8"):
        index.search("a\udcff")
    with pytest.raises(UserError, match="half of a surrogate pair"):
        SearchIndex.build(matrix[:2], ["a", "b\udcff"])


def test_matches_are_a_sequence(matrix, names):
    matches = SearchIndex.build(matrix, names).search("row 1.", 3)
    assert matches[1:] == [matches[1], matches[2]]
    assert matches[-1].rank == 3
    assert isinstance(matches[0], Match)
    assert repr(matches) == repr(list(matches))
    with pytest.raises(IndexError):
        matches[3]


# ---- the command


@pytest.fixture
def saved(matrix, names, tmp_path: Path, monkeypatch) -> Path:
    types = ["film" if i % 2 else "book" for i in range(N)]
    index = SearchIndex.build(matrix, names, attributes={"type": types, "year": range(1900, 1900 + N)})
    monkeypatch.chdir(tmp_path)
    return index.save(tmp_path / "index")


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_queries_from_a_file_and_conditions(saved: Path, capsys, monkeypatch):
    Path("names.txt").write_text("row 3.\r\n\nROW 4.\nrow 1. - row 2. + row 3.\n")
    asked = ["search", "index", "row 9.", "--queries", "names.txt", "--k", "3", "--where", "type=film", "year>=1950"]
    assert main(asked) == 0
    found = lines(capsys)
    assert [line["query"] for line in found] == ["row 9.", "row 3.", "ROW 4.", "row 1. - row 2. + row 3."]
    assert [line["mode"] for line in found] == ["exact", "exact", "case-folded", "analogy"]
    index = SearchIndex.load("index")
    for line in found:
        right = index.search(line["query"], 3, where={"type": "film", "year": (">=", 1950)})
        assert [m["name"] for m in line["matches"]] == [m.name for m in right]
    monkeypatch.setattr(sys, "stdin", io.StringIO("row 3.\n"))
    assert main(["search", "index", "--queries", "-", "--format", "csv", "--k", "2"]) == 0
    assert [row["mode"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["exact"] * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--queries", "bad.txt"], "bad.txt, query 2: no name 'rwo 4.'"),
        (["--queries", "empty.txt"], "empty.txt holds no query"),
        (["--queries", "none.txt"], "none.txt cannot be read"),
        (["--queries", "latin.txt"], "latin.txt is not UTF-8: byte 1"),
        (["row 3.", "--where", "tpye=film"], "no attribute 'tpye': did you mean 'type'?"),
        (["row 3.", "--where", "type"], "write ATTRIBUTE=VALUE"),
        (["row 3.", "--factory", "HNSW32"], "is built as Flat: give --factory and --recall with the run"),
        (["row 3.", "--recall", "0"], "--recall 0.0: a share"),
        (["row 3.", "--foreign", "bad.txt", "--factory", "Flat"], "--foreign reads an index as it is"),
        (["row 3.", "--device", "cuda"], "needs a GPU and faiss-gpu"),
        ([], "nothing to search for"),
    ],
)
def test_mistakes_of_the_command(saved: Path, words: list[str], told: str, capsys):
    Path("bad.txt").write_text("row 3.\nrwo 4.\n")
    Path("empty.txt").write_text("\n\n")
    Path("latin.txt").write_bytes(b"r\xf6w")
    assert main(["search", "index", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert told in printed.err


def test_a_foreign_file_needs_the_word(saved: Path, names, capsys):
    (bare,) = saved.glob("*.faiss")
    Path("names.txt").write_text("\n".join(names))
    assert main(["search", str(bare), "row 3."]) == 2
    assert "--foreign NAMES.txt" in capsys.readouterr().err
    assert main(["search", str(bare), "row 3.", "--foreign", "names.txt", "--metric", "cosine"]) == 0
    mine = lines(capsys)
    assert main(["search", "index", "row 3."]) == 0
    assert lines(capsys) == mine


def test_an_approximate_index_is_described(matrix, names, tmp_path: Path, capsys):
    SearchIndex.build(matrix, names, factory="IVF4,Flat", recall=1.0).save(tmp_path)
    assert main(["search", str(tmp_path), "rwo 3.", "--fuzzy"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["mode"] == "fuzzy"
    assert printed.err.startswith("IVF4,Flat was asked for: IVF4,Flat, nprobe ")
    assert printed.err.endswith(", recall@10 1.000\n")


def test_the_prompt(saved: Path, capsys):
    typed = ["row 3.", "", ":k 2", "ROW 3.", ":where type=film year>1990", "row 3.", ":where type=flim", "rwo 3."]
    typed += [":k many", ":what", ":help", ":where", "row 1. - row 2. + row 3."]
    left = iter(typed)

    def read(_: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    index = SearchIndex.load(saved)
    prompt.ask(Opened(saved), 4, read=read)
    printed = capsys.readouterr()
    shown = [[part.split()[1:3] for part in block.splitlines()[2:]] for block in printed.out.split("· cosine")[1:]]
    assert [len([row for row in block if row[:1] == ["row"]]) for block in shown] == [4, 2, 2, 2]
    for mode in ("row 3. (exact)", "ROW 3. → row 3. (case-folded)", "row 1. - row 2. + row 3. (analogy)"):
        assert mode in printed.out
    assert prompt.HELP in printed.out
    assert "no command :what" in printed.out
    assert [line.split(":")[0] for line in printed.err.splitlines()] == [
        "no row has type = 'flim'",
        "no name 'rwo 3.' among 97",
        "",
    ]
    third = index.search("row 3.", 2, where=["type=film", "year>1990"])
    assert third[0].name in printed.out.split("· cosine")[3]


def test_the_command_opens_the_prompt_on_a_terminal(saved: Path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(prompt, "ask", lambda *words: asked.append(words[1:]))
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert main(["search", "index", "--k", "3", "--where", "type=film"]) == 0
    assert asked == [(3, ("type=film",), False, False)]
