"""Fitting a network to data: one loop, `fit`, for vision, sequences and generators; what it measures and draws."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "FitConfig": "neuralcore.fitting.config",
    "Fit": "neuralcore.fitting.loop",
    "fit": "neuralcore.fitting.loop",
    "Player": "neuralcore.fitting.task",
    "Task": "neuralcore.fitting.task",
    "players_of": "neuralcore.fitting.task",
}

__all__ = ["Fit", "FitConfig", "Player", "Task", "fit", "players_of"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'neuralcore.fitting' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)
