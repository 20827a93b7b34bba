from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from graphkit import WalkGraph, node2vec
from graphkit.cli import main
from graphkit.walks.classify_command import read_labels
from graphkit.walks.command import WalkArguments, parse_arguments
from graphkit.walks.config import WalkConfig
from graphkit.words.vectors import WordVectors
from neuralcore.config import find_config, preset_folder
from neuralcore.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--walks-per-node", "10", "--walk-length", "20", "--dimension", "8", "--window", "3"]


def parse(*words: str) -> WalkArguments:
    return parse_arguments(words, "graphkit walk")


@pytest.fixture
def edges(here: Path) -> Path:
    """Two groups of ten that are dense inside, names with a space in them, and their labels."""
    rng = np.random.default_rng(0)
    lines = [
        f"{group} {i}\t{group} {j}"
        for group in ("left", "right")
        for i in range(10)
        for j in range(i)
        if rng.random() < 0.7
    ]
    (here / "edges.tsv").write_text("\n".join([*lines, "left 0\tright 0"]) + "\n")
    labels = [f"{group} {i}\t{group}" for group in ("left", "right") for i in range(10)]
    (here / "labels.tsv").write_text("\n".join([*labels, "left 0\tbridge", "right 0\tbridge", "nobody\tleft"]) + "\n")
    return here / "edges.tsv"


def test_flags_over_a_file_over_defaults(here: Path) -> None:
    (here / "c.toml").write_text('graph = "a.tsv"\ndirected = true\n[config]\np = 0.5\nepochs = 3\n')
    found = parse("--epochs", "2", "c.toml", "--run", "r")
    assert (found.graph, found.directed, found.weighted, found.run) == ("a.tsv", True, False, "r")
    assert found.config == WalkConfig(p=0.5, epochs=2)
    (here / "c.toml").write_text('graph = "a.tsv"\n[config]\nwalk_lenght = 7\n')
    with pytest.raises(UserError, match=r"c\.toml:3: unknown key 'walk_lenght': did you mean 'walk_length'"):
        parse("c.toml")


def test_a_user_walks_classifies_searches_and_saves(edges: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["walk", "edges.tsv", *FLAGS, "--p", "0.5", "--q", "2", "--learning-rate", "0.1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("graph        20 nodes, ")
    assert "nodes of walks in" in out
    run = Path("runs/walk-edges")
    assert {p.name for p in run.iterdir()} >= {"config.toml", "metrics.jsonl", "vectors", "walks.bin", "card.md"}
    assert "graphkit walk runs/walk-edges/config.toml" in (run / "card.md").read_text()

    assert main(["classify", str(run), "labels.tsv", "--fractions", "0.5", "--splits", "3"]) == 0
    out = capsys.readouterr().out
    assert "20 nodes, 3 labels, 22 in all; 1 nodes of the file have no vector and are left out" in out
    assert "50.0%" in out
    kept = json.loads((run / "classification.json").read_text())
    assert kept["results"][0]["micro"] > 0.6
    assert kept["unknown"] == 1
    assert main(["classify", str(run), "labels.tsv", "--fractions", "0.5", "--splits", "1"]) == 0
    assert json.loads((run / "classification.json").read_text())["results"][0]["micro_std"] is None
    capsys.readouterr()

    assert main(["search", str(run), "left 3", "--k", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["understood"] == "left 3"
    assert main(["words", str(run), "--show", "left 3"]) == 0
    assert "left 3  left" in capsys.readouterr().out
    assert main(["words", str(run), "--save", "vectors.bin"]) == 2  # the names have spaces
    assert "has white space" in capsys.readouterr().err
    before = WordVectors.load(run).matrix
    assert main(["walk", str(run / "config.toml")]) == 0
    assert "nothing: the run had been finished" in capsys.readouterr().out
    np.testing.assert_array_equal(WordVectors.load(run).matrix, before)
    assert main(["walk", str(run / "config.toml"), "--run", "again", "--threads", "1"]) == 0
    np.testing.assert_array_equal(WordVectors.load("again").matrix, before)


def test_directed_weighted_and_further_nodes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """hub -> near or far, from where no edge leads back; alone is in no edge."""
    Path("e.csv").write_text("hub,near,98\nhub,far,2\nhub,near,1\n")
    Path("nodes.txt").write_text("alone\nhub\n")
    flags = ["--directed", "--weighted", "--nodes", "nodes.txt", "--walks-per-node", "100", "--dimension", "4"]
    assert main(["walk", "e.csv", *flags, "--run", "r"]) == 0
    out = capsys.readouterr().out
    assert "4 nodes, 2 edges, directed, weighted (1 named again, their weights added; 1 nodes without edges)" in out
    vectors = WordVectors.load("r")
    visits = dict(zip(vectors.words, vectors.vocabulary.counts.tolist()))
    assert (visits["hub"], visits["alone"]) == (100, 100)
    assert visits["near"] + visits["far"] == 300
    assert visits["near"] > 190
    assert main(["walk", "r/config.toml"]) == 0  # reads the graph the same way
    assert main(["walk", "r/config.toml", "--no-directed"]) == 2
    assert "holds a run with directed = True, not False" in capsys.readouterr().err


def test_words_of_five_letters_are_no_must_for_a_look(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("e.txt").write_text("1 2\n2 3\n")
    assert main(["walk", "e.txt", *FLAGS, "--run", "r"]) == 0
    capsys.readouterr()
    assert main(["words", "r"]) == 0
    assert "\n  2  " in capsys.readouterr().out


def test_a_graph_of_python_goes_on_in_python(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = WalkGraph.of(["a", "b"], np.array([[0, 1]]))
    node2vec(graph, walks_per_node=2, walk_length=4, dimension=4, run="r")
    assert main(["walk", "r/config.toml"]) == 2
    assert "was given in Python" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["walk", "missing.tsv"], "no edge list missing.tsv"),
        (["walk", "edges.tsv", "--p", "0"], "p must be above 0, got 0.0"),
        (["walk", "edges.tsv", "--walk-lenght", "3"], "unknown flag --walk-lenght: did you mean '--walk-length'"),
        (
            ["walk", "edges.tsv", "--weighted"],
            "edges.tsv:1: 2 columns between tabs, expected node, neighbour and weight",
        ),
        (["walk", "edges.tsv", "--run", "edges.tsv"], "is a file, not a run folder"),
        (["walk", "edges.tsv", "--nodes", "none.txt"], "none.txt cannot be read"),
        (
            ["walk", "edges.tsv", "--negatives", "3", "--loss", "hierarchical_softmax"],
            "negatives and per_pair change nothing",
        ),
        (["classify", "edges.tsv", "labels.tsv"], "edges.tsv: line 1"),
        (["classify", "missing", "labels.tsv"], "missing"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, edges: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(p.name for p in edges.parent.iterdir()) == ["edges.tsv", "labels.tsv"]


def test_labels(here: Path) -> None:
    Path("l.csv").write_text("a, x\nb,y\n\na,y\na,x\n")
    assert read_labels(Path("l.csv")) == {"a": ["x", "y"], "b": ["y"]}
    Path("l.txt").write_text("a  x\nb y\n")
    assert read_labels(Path("l.txt")) == {"a": ["x"], "b": ["y"]}
    for text, message in (
        ("a\tx\ty\n", r"l\.tsv:1: .* is no node and label"),
        ("a\tx\nb\n", r"l\.tsv:2"),
        ("", "no labels"),
    ):
        Path("l.tsv").write_text(text)
        with pytest.raises(UserError, match=message):
            read_labels(Path("l.tsv"))


def test_the_presets_are_whole() -> None:
    for name in ("blogcatalog_deepwalk", "blogcatalog_node2vec"):
        assert find_config(f"configs/graph/{name}.toml").is_file()
        assert parse(str(preset_folder() / "graph" / f"{name}.toml")).graph == "data/blogcatalog/edges.csv"


@pytest.mark.parametrize("module", ["command", "classify_command"])
def test_help_imports_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'numba', 'numpy', 'pyarrow'}"
    code = f"import sys, graphkit.walks.{module}; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []


@pytest.mark.faults
def test_kill_9_and_the_same_command(edges: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "graphkit.cli", "walk", "edges.tsv", "--walks-per-node", "2000", "--p", "0.5"]
    command += ["--checkpoint-every", "100_000", "--run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def start(run: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / f"{run}.log", "wb") as log:
            return subprocess.Popen([*command, run], cwd=tmp_path, env=environment, stdout=log, stderr=log)

    assert start("whole").wait(timeout=200) == 0, (tmp_path / "whole.log").read_text()
    killed = 0
    for waits_for in ("walks.bin.tmp", "checkpoints/LATEST", "checkpoints/LATEST"):
        process = start("cut")
        place = tmp_path / "cut" / waits_for
        before = place.read_bytes() if waits_for.startswith("check") and place.exists() else None
        while process.poll() is None and (not place.exists() or place.read_bytes() == before):
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert start("cut").wait(timeout=200) == 0, (tmp_path / "cut.log").read_text()
    assert killed >= 2
    names = {p.name for p in (tmp_path / "whole" / "vectors").iterdir()}
    assert names == {p.name for p in (tmp_path / "cut" / "vectors").iterdir()}
    for name in ("walks.bin", *(f"vectors/{name}" for name in names)):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
