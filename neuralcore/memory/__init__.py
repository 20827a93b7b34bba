"""Networks that read a memory in several steps of attention before they answer."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {"MemoryNetwork": "neuralcore.memory.memory_network"}

__all__ = ["MemoryNetwork"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'neuralcore.memory' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)
