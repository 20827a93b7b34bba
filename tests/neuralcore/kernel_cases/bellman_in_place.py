"""Cases of op `bellman_in_place`: both storages, both directions, a policy's own actions, and staying for sure."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

_spec = importlib.util.spec_from_file_location("bellman_case", Path(__file__).parent / "bellman.py")
assert _spec is not None
assert _spec.loader is not None
bellman = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bellman)

OP = "bellman_in_place"
# (S, A, D, backwards, with a policy, discount)
SIZES = [
    (1, 1, 0, False, False, 0.9),
    (7, 3, 0, True, False, 1.0),
    (65, 4, 0, False, True, 0.9),
    (130, 2, 0, True, True, 0.5),
    (1, 1, 1, False, False, 0.9),
    (33, 4, 4, False, False, 1.0),
    (65, 3, 5, True, True, 0.99),
]
TOLERANCE = bellman.TOLERANCE


def make_case(size: tuple[Any, ...], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    states, actions, width, backwards, follows, discount = size
    transitions = bellman.make_transitions((states, actions, width), rng)
    if width:
        transitions.successors[::3, 0] = np.arange(0, states, 3)  # some stay, and
        transitions.successors[-1] = states - 1  # the last one mostly does
    else:
        transitions.indices[::5] = 0
    policy = rng.integers(0, actions, states) if follows else None
    arguments = transitions, rng.normal(size=(states, actions)), rng.normal(size=states), discount
    return arguments, {"policy": policy, "backwards": backwards}


def outputs(args: tuple[Any, ...], result: float) -> dict[str, Any]:
    return {"values": args[2], "change": np.array(result)}
