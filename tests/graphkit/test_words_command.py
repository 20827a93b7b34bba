from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from graphkit.cli import main
from graphkit.words.command import parse_arguments
from graphkit.words.config import SkipGramConfig
from graphkit.words.vectors import WordVectors
from neuralcore.config import preset_folder
from neuralcore.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def parse(*words: str) -> object:
    return parse_arguments(words, "graphkit words")


@pytest.fixture
def text(here: Path) -> Path:
    (here / "corpus.txt").write_text("the king loves the queen\nthe queen loves the king\n" * 50)
    return here / "corpus.txt"


def test_flags_over_a_file_over_defaults(here: Path) -> None:
    (here / "c.toml").write_text('corpus = "a.txt"\nrun = "r"\n[config]\ndimension = 7\nepochs = 3\n')
    found = parse("--epochs", "9", "c.toml", "--show", "king")
    assert found.corpus == ("a.txt",)
    assert (found.run, found.show) == ("r", "king")
    assert found.config == SkipGramConfig(dimension=7, epochs=9)
    assert parse("a.txt", "b.txt").corpus == ("a.txt", "b.txt")


def test_mistakes_in_a_file(here: Path) -> None:
    (here / "c.toml").write_text('corpus = "a.txt"\n[config]\ndimensions = 7\n')
    with pytest.raises(UserError, match=r"c\.toml:3: unknown key 'dimensions': did you mean 'dimension'"):
        parse("c.toml")
    (here / "c.toml").write_text("[config]\ndimension = 7\n")
    with pytest.raises(UserError, match=r"c\.toml: 'corpus' is required"):
        parse("c.toml")
    (here / "c.toml").write_text('corpus = "a.txt"\n')
    with pytest.raises(UserError, match=r"'b\.txt' beside c\.toml"):
        parse("c.toml", "b.txt")
    with pytest.raises(UserError, match="name a text file"):
        parse()


def test_a_user_trains(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["words", "corpus.txt", "--dimension", "8", "--show", "king,kong", "--epochs", "2"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "4 words that occur 5 times or more, 500 in all" in out
    assert "1,000 words in" in out
    assert "king  " in out
    assert "(the word 'kong' is not among the 4 known ones: did you mean 'king'?)" in out
    run = Path("runs/words-corpus")
    assert WordVectors.load(run).words == ["the", "king", "loves", "queen"]
    assert {p.name for p in run.iterdir()} >= {"config.toml", "metrics.jsonl", "checkpoints", "vectors", "card.md"}
    kept = tomllib.loads((run / "config.toml").read_text())
    assert (kept["corpus"], kept["config"]["dimension"]) == (["corpus.txt"], 8)
    before = (run / "vectors" / "manifest.json").read_bytes()

    assert main(["words", str(run / "config.toml")]) == 0  # a run's config.toml is a command
    assert "nothing: the run had been finished" in capsys.readouterr().out
    assert (run / "vectors" / "manifest.json").read_bytes() == before
    assert main(["words", str(run / "config.toml"), "--run", "other"]) == 0
    assert Path("other/vectors/manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.txt"], "no file missing.txt"),
        (["sample:shakespeare"], "did you mean 'tinyshakespeare'"),
        (["corpus.txt", "--window", "0"], "window must be 1 or more, got 0"),
        (["corpus.txt", "--widnow", "3"], "unknown flag --widnow: did you mean '--window'"),
        (["corpus.txt", "--min-count", "1000"], "commonest occurs 200 times"),
        (["corpus.txt", "--run", "corpus.txt"], "is a file, not a run folder"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["words", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [p.name for p in text.parent.iterdir()] == ["corpus.txt"]


def test_the_presets_are_whole() -> None:
    for path in (preset_folder() / "words").glob("*.toml"):
        assert parse(str(path)).corpus


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numba', 'numpy', 'pyarrow', 'rich'}"
    code = f"import sys, graphkit.words.command; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []


@pytest.mark.faults
@pytest.mark.parametrize(
    "flags",
    [
        "--epochs 6",
        "--model cbow --loss hierarchical_softmax --epochs 6",
        "--per-pair --loss margin --learning-rate 0.005 --epochs 4",
        "--longest-ngram 4 --buckets 5_000 --epochs 2 --phrases 100 50",
    ],
)
def test_kill_9_and_the_same_command(flags: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "graphkit.cli", "words", "sample:tinyshakespeare", *flags.split()]
    command += ["--checkpoint-every", "100_000", "--run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def start(run: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / f"{run}.log", "wb") as log:
            return subprocess.Popen([*command, run], cwd=tmp_path, env=environment, stdout=log, stderr=log)

    assert start("whole").wait(timeout=200) == 0, (tmp_path / "whole.log").read_text()
    killed = 0
    for _ in range(3):
        process = start("cut")
        before = newest(tmp_path / "cut")
        while process.poll() is None and newest(tmp_path / "cut") == before:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert start("cut").wait(timeout=200) == 0, (tmp_path / "cut.log").read_text()
    assert killed >= 2
    names = {p.name for p in (tmp_path / "whole" / "vectors").iterdir()}
    assert names == {p.name for p in (tmp_path / "cut" / "vectors").iterdir()}
    for name in names:
        assert (tmp_path / "cut" / "vectors" / name).read_bytes() == (
            tmp_path / "whole" / "vectors" / name
        ).read_bytes()


def newest(run: Path) -> int:
    return max((int(p.name[5:]) for p in run.glob("checkpoints/step_*") if p.name[5:].isdigit()), default=0)
