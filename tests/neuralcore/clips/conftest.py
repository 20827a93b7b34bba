"""Clips for tests: few, small and drawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from neuralcore.clips import clips_task
from neuralcore.data.clips import moving


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight clips of four frames in place of the thousands."""
    found = {"train": moving(8, 4, 16, seed=0), "test": moving(8, 4, 16, seed=1)}
    monkeypatch.setattr(clips_task, "read_clips", lambda path, frames: found)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    yield
    torch.set_num_threads(1)
