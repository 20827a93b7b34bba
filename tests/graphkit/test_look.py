"""`graphkit words RUN`: what a user does with vectors that are there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary

WORDS = {"man": (1, 0), "woman": (-1, 0), "king": (1, 2), "queen": (-1, 2), "prince": (1, 1), "throne": (0, 3)}


@pytest.fixture
def run(here: Path) -> Path:
    matrix = np.array(list(WORDS.values()), dtype=np.float32)
    WordVectors(Vocabulary(list(WORDS), range(9, 3, -1)), matrix).save(here / "runs" / "r" / "vectors")
    (here / "q.txt").write_text(": family\nman king woman queen\nman king boy queen\n")
    (here / "s.txt").write_text("king throne 9\nman woman 1\nking man 4\nking crown 5\n")
    return Path("runs/r")


def test_neighbours(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["words", "runs/r", "--show", "king,kong"]) == 0
    out = capsys.readouterr().out
    assert "6 words, dimension 2" in out
    assert "king  prince 0.95" in out
    assert "(the word 'kong' is not among the 6 known ones" in out
    assert main(["words", "runs/r/vectors"]) == 0  # with nothing asked, some frequent words
    assert "queen   throne 0.89" in capsys.readouterr().out


def test_evaluation(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["words", "runs/r", "--evaluate", "q.txt", "s.txt"]) == 0
    out = capsys.readouterr().out
    tables = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert tables == [
        ["family", "1.000", "0.207", "1.000", "1", "1", "1"],
        ["total", "1.000", "0.207", "1.000", "1", "1", "1"],
        ["s", "1.000", "1.000", "1.000", "0.905", "3", "25.0%"],
    ]
    assert "neighbours" not in out
    kept = json.loads((run / "evaluation.json").read_text())
    assert (kept["words"], kept["commonest"], kept["fold_case"]) == (6, 300_000, True)
    analogies, similarity = kept["results"]
    assert (analogies["name"], analogies["accuracy"], analogies["unknown"]) == ("q", 1.0, 1)
    assert (similarity["spearman"], similarity["pairs"], similarity["unknown_rate"]) == (1.0, 3, 0.25)
    assert main(["words", "runs/r", "--evaluate", ".", "--commonest", "2", "--no-fold-case"]) == 0
    kept = json.loads((run / "evaluation.json").read_text())
    assert (kept["commonest"], kept["fold_case"]) == (2, False)
    assert kept["results"][0]["accuracy"] is None


def test_pictures_and_formats(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert main(["words", "runs/r", "--plot", "p.png", "--words", "king, queen,man,woman", "--method", "tsne"]) == 0
    assert "p.png (4 words)" in capsys.readouterr().out
    assert Path("p.png").read_bytes()[1:4] == b"PNG"
    for name in ("v.bin", "v.vec.gz", "v.txt", "folder"):
        assert main(["words", "runs/r", "--save", name]) == 0
        capsys.readouterr()
        assert main(["words", name, "--show", "king", "--evaluate", "q.txt"]) == 0
        out = capsys.readouterr().out
        assert "king  prince 0.95" in out
        assert "evaluation.json" not in out
    assert Path("v.bin").read_bytes()[:12] == b"6 2\nman \0\0\x80?"
    assert gzip.open("v.vec.gz").readline() == b"6 2\n"
    assert (Path("folder") / "manifest.json").is_file()


def test_training_ends_with_an_evaluation(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.txt").write_text("the king loves the queen\n" * 50)
    command = ["words", "t.txt", "--run", "runs/t", "--epochs", "1", "--dimension", "4", "--evaluate", "s.txt"]
    assert main([*command, "none.txt"]) == 2
    assert "none.txt cannot be read" in capsys.readouterr().err
    assert not Path("runs/t").exists()
    assert main(command) == 0
    assert "similarity" in capsys.readouterr().out
    assert json.loads(Path("runs/t/evaluation.json").read_text())["results"][0]["unknown"] == 4
    assert main(["words", "runs/t/config.toml", "--evaluate", "q.txt"]) == 0  # a finished run is measured anew
    assert json.loads(Path("runs/t/evaluation.json").read_text())["results"][0]["name"] == "q"


def test_a_run_that_has_not_finished(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/u/checkpoints").mkdir(parents=True)
    Path("runs/u/config.toml").touch()
    assert main(["words", "runs/u"]) == 2
    assert "has not finished: graphkit words runs/u/config.toml goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs/r", "--epochs", "3"], "unknown flag --epochs"),
        (["runs/r", "--words", "king"], "name a file with --plot"),
        (["runs/r", "--method", "tsne"], "name a file with --plot"),
        (["runs/r", "--no-fold-case"], "name files with --evaluate"),
        (["runs/r", "--commonest", "0"], "--commonest 0: at least 1 word"),
        (["runs/r", "--evaluate", "none.txt"], "none.txt cannot be read"),
        (["runs/r", "--plot", "p.gif"], "a picture's name ends in"),
        (["runs/r", "--save", "v.gz"], "--save v.gz: say which format"),
        (["--show", "king", "runs/r"], "runs/r holds trained vectors, not text"),
        (["q.txt", "runs/r"], "runs/r holds trained vectors, not text"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["words", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert {p.name for p in Path().iterdir()} == {"runs", "q.txt", "s.txt"}
