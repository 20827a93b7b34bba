"""The README's example does what it says, on a training cut short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_example_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert "learn(60_000)" in code
    exec(code.replace("learn(60_000)", "learn(1_500)").replace("epochs=10", "epochs=1"), {})
    out = capsys.readouterr().out
    assert "→" in out
    assert "Bellman residual" in out
    assert "Match(" in out


def test_every_path_it_names_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    for path in re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r"configs/\w+/\w+\.toml", text):
        assert (README.parent / path).exists(), path
