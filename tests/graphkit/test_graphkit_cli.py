"""`graphkit` as it is typed: what it loads, every command of its table, and `graphkit search` over each folder."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import graphkit
from graphkit import SearchIndex
from graphkit.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "numba", "faiss", "pyarrow", "rich")


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after `statement`, its printing aside."""
    script = (
        "import contextlib, io, sys\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    {statement}\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["sarch"]])
def test_the_table_imports_nothing_heavy(words: list[str]):
    loaded = loaded_by(f"from graphkit.cli import main; main({words})")
    assert "graphkit.cli" in loaded
    assert not loaded & {*HEAVY, "tyro", "neuralcore.config"}


def test_help_of_search_needs_only_the_parser():
    loaded = loaded_by("from graphkit.cli import main; main(['search', '--help'])")
    assert {"graphkit.search.command", "tyro"} <= loaded
    assert not loaded & (set(HEAVY) - {"rich"})  # rich may come with tyro


def test_importing_the_package_is_light():
    assert not loaded_by("import graphkit") & {*HEAVY, "tyro"}


def test_main_gives_the_exit_code(capsys: pytest.CaptureFixture):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  {name} " not in shown] == []
    assert main(["sarch"]) == 2
    assert "did you mean 'search'?" in capsys.readouterr().err


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "graphkit.cli", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout.startswith("graphkit ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_has_a_help(name: str, capsys: pytest.CaptureFixture):
    if importlib.util.find_spec(COMMANDS[name].module) is None:
        pytest.skip(f"{COMMANDS[name].module} is not written yet")
    try:
        code = main([name, "--help"])
    except SystemExit as stop:  # the parser's own way to end a help
        code = stop.code
    assert code == 0
    assert f"graphkit {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", graphkit.__all__)
def test_every_name_of_the_package_loads(name: str):
    if importlib.util.find_spec(graphkit._CLASSES[name]) is None:
        pytest.skip(f"{graphkit._CLASSES[name]} is not written yet")
    assert getattr(graphkit, name).__name__ == name
    assert name in dir(graphkit)


def test_an_unknown_name_of_the_package():
    with pytest.raises(AttributeError, match="graphkit' has no attribute 'SearchIndx'"):
        _ = graphkit.SearchIndx


# ---- graphkit search

WORDS = ["king", "queen", "[man]", "woman, old"]
MATRIX = np.array([[3, 0.1], [3, 0.2], [1, 2], [-1, 2]], np.float32)
CODES = ["00", "01", "02", "03"]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs of words and of a graph, whose classes are stood in for: only that their `load` is called matters."""

    def stand_in(module: str, name: str, loaded: object) -> None:
        holder = ModuleType(module)
        setattr(holder, name, SimpleNamespace(load=lambda folder: loaded))
        monkeypatch.setitem(sys.modules, module, holder)

    entities = SimpleNamespace(names=CODES, titles=WORDS, matrix=MATRIX)
    stand_in("graphkit.words.vectors", "WordVectors", SimpleNamespace(words=WORDS, matrix=MATRIX))
    stand_in("graphkit.embedding.embedding", "GraphEmbedding", SimpleNamespace(entities=entities))
    for run, kind in (("words", "word_vectors"), ("graph", "graph_embedding"), ("odd", "word_vector")):
        (tmp_path / run / "vectors").mkdir(parents=True)
        (tmp_path / run / "vectors" / "manifest.json").write_text(json.dumps({"kind": kind}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(capsys: pytest.CaptureFixture, *words: str) -> list[dict]:
    """What `graphkit search` prints into a pipe: one JSON object a query."""
    assert main(["search", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("folder", ["words", "words/vectors"])
def test_words_are_searched(runs: Path, folder: str, capsys: pytest.CaptureFixture):
    (line,) = answer(capsys, folder, "KING", "--k", "2")
    scores = [m.pop("score") for m in line["matches"]]
    assert scores == [m.score for m in SearchIndex.build(MATRIX, WORDS).search("king", 2)]
    assert line == {
        "query": "KING",
        "understood": "king",
        "mode": "case-folded",
        "metric": "cosine",
        "matches": [{"rank": 1, "name": "queen", "title": ""}, {"rank": 2, "name": "[man]", "title": ""}],
    }


def test_entities_are_searched_by_name_or_title(runs: Path, capsys: pytest.CaptureFixture):
    by_title, by_name = answer(capsys, "graph", "king", "00", "--k", "1")
    assert (by_title["mode"], by_title["understood"], by_name["mode"]) == ("title", "00", "exact")
    assert by_title["matches"] == by_name["matches"]
    assert by_name["matches"][0]["name"] == "01"
    assert by_name["matches"][0]["title"] == "queen"


def test_the_metric_is_asked_for(runs: Path, capsys: pytest.CaptureFixture):
    for metric in ("cosine", "dot", "l2"):
        (line,) = answer(capsys, "words", "queen", "--metric", metric)
        expected = SearchIndex.build(MATRIX, WORDS, metric=metric).search("queen")
        assert line["metric"] == metric
        assert [(m["name"], m["score"]) for m in line["matches"]] == [(m.name, m.score) for m in expected]


def test_csv(runs: Path, capsys: pytest.CaptureFixture):
    assert main(["search", "graph", "KING", "queen", "--k", "3", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(r["query"], r["understood"], r["rank"]) for r in rows] == [
        *(("KING", "00", str(i)) for i in (1, 2, 3)),
        *(("queen", "01", str(i)) for i in (1, 2, 3)),
    ]
    assert rows[2]["title"] == "woman, old"
    assert float(rows[0]["score"]) == pytest.approx(0.9994, abs=1e-4)


def test_a_table_on_a_terminal(runs: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    assert main(["search", "graph", "KING", "--format", "table"]) == 0
    asked_for = capsys.readouterr().out
    assert "KING → 00 (case-folded) · cosine" in asked_for
    assert [line.split()[:3] for line in asked_for.splitlines()[2:4]] == [
        ["1", "01", "queen"],
        ["2", "02", "[man]"],  # not taken for rich's markup
    ]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["search", "words", "king"]) == 0
    assert "king (exact) · cosine" in capsys.readouterr().out


def test_an_index_is_saved_and_searched_without_the_run(runs: Path, capsys: pytest.CaptureFixture):
    assert main(["search", "graph", "--save-index", "index", "--metric", "l2"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "4 rows of dimension 2 in index",
        "exact: 4 rows of 2 numbers are compared in a millisecond or less: Flat, recall@10 1.000",
    ]
    (runs / "graph" / "vectors" / "manifest.json").unlink()
    (line,) = answer(capsys, "index", "king")
    assert line["metric"] == "l2"
    assert answer(capsys, "index", "king", "--metric", "l2") == [line]
    assert main(["search", "index", "king", "--metric", "dot"]) == 2
    assert "index is an index by l2, not dot" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["wrods", "king"],
            "there is no folder wrods: did you mean 'words'? known: cut, graph, odd, unfinished, words",
        ),
        (["odd", "king"], "kind 'word_vector': did you mean 'word_vectors'?"),
        (["unfinished", "king"], "unfinished has no vectors yet, its run has not finished"),
        (["cut", "king"], "cut/vectors/manifest.json is damaged"),
        (["unfinished/checkpoints", "king"], "holds no vectors: name a run folder"),
        (["words", "kng"], "no name 'kng' among 4: did you mean 'king'?"),
        (["words", "king", "qeen"], "did you mean 'queen'?"),
        (["words", "king", "--k", "0"], "--k 0: ask for at least 1"),
        (["words"], "nothing to search for"),
        (["words", "king", "--metric", "cos"], "--metric"),
        (["words", "king", "--fromat", "csv"], "unknown flag --fromat: did you mean '--format'?"),
        (["words", "kng", "--save-index", "index"], "no name 'kng'"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(
    runs: Path, words: list[str], told: str, capsys: pytest.CaptureFixture
):
    (runs / "unfinished" / "checkpoints").mkdir(parents=True)
    (runs / "cut" / "vectors").mkdir(parents=True)
    (runs / "cut" / "vectors" / "manifest.json").write_text('{"kind": "wo')
    before = sorted(runs.rglob("*"))
    assert main(["search", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert told in printed.err
    assert sorted(runs.rglob("*")) == before


def test_a_name_that_starts_with_a_dash(runs: Path, capsys: pytest.CaptureFixture):
    SearchIndex.build(MATRIX, ["-lrb-", *WORDS[1:]]).save("index")
    (line,) = answer(capsys, "index", "--k", "1", "--", "-lrb-")
    assert line["understood"] == "-lrb-"
