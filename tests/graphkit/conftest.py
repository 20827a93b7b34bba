"""A trained graph at the shell: saved as a run, and what a command printed about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run folder of the test file's own `model`, in the folder that commands are called in."""
    monkeypatch.chdir(tmp_path)
    model.save("run/vectors")
    return "run"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """Gives the lines of JSON that were printed since it was last asked."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
