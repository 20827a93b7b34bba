"""graphkit serve: what it refuses before it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphkit import SearchIndex
from graphkit.cli import main
from graphkit.serve import command as serve_command


@pytest.mark.parametrize(
    ("words_typed", "told"),
    [
        (["{folder}", "--host", "0.0.0.0", "--without-token"], "--without-token"),
        (["{folder}", "--host", "no.such.host.invalid"], "cannot be listened at"),
        (["{folder}", "--port", "70000"], "65535"),
        (["{folder}x"], "no folder"),
        (["{folder}", "--metric", "l2"], "cosine"),
    ],
)
def test_the_command_refuses(
    tmp_path: Path,
    index: SearchIndex,
    words_typed: list[str],
    told: str,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("GRAPHKIT_TOKEN", raising=False)
    index.save(tmp_path / "index")
    arguments = [word.format(folder=tmp_path / "index") for word in words_typed]
    if "--port" not in arguments:
        arguments += ["--port", "0"]
    assert main(["serve", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_simple_token_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_TOKEN", "secret")
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    assert "GRAPHKIT_TOKEN" in capsys.readouterr().err


def test_a_missing_extra_is_named(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve_command, "installed", lambda name: name != "uvicorn")
    assert main(["serve", str(tmp_path)]) == 2
    assert "pip install 'rlgraphkit[serve]'" in capsys.readouterr().err
