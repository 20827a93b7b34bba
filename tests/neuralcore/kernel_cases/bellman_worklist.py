"""Cases of op `bellman_worklist`: both storages, one block and many, windows of one block, and stopping half way."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.kernels.predecessors import predecessors

_spec = importlib.util.spec_from_file_location("bellman_case", Path(__file__).parent / "bellman.py")
assert _spec is not None
assert _spec.loader is not None
bellman = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bellman)

OP = "bellman_worklist"
# (S, A, D, block, window, max_backups)
SIZES = [
    (1, 1, 0, 4, 1, 10**9),
    (41, 3, 0, 8, 2, 10**9),
    (41, 3, 0, 1, 1, 10**9),
    (60, 2, 4, 7, 3, 10**9),
    (60, 2, 4, 64, 1, 10**9),
    (60, 2, 4, 7, 3, 100),
]
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


def make_case(size: tuple[int, ...], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    states, actions, width, block, window, most = size
    transitions = bellman.make_transitions((states, actions, width), rng)
    values = rng.normal(size=states)
    dirty = np.ones(-(-states // block), bool)
    dirty[1::2] = False
    arrays = transitions, rng.normal(size=(states, actions)), values, 0.9
    settings = {"tolerance": 1e-3, "block": block, "window": window, "max_backups": most}
    return (*arrays, predecessors(transitions, states), values.copy(), dirty), settings


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    changed = {"values": args[2], "told": args[5], "dirty": args[6]}
    return changed | {name: np.array(value) for name, value in result._asdict().items()}
