"""What all planners share: arguments checked, code loaded before the clock starts, the certificate at the end.

The residual in a `Solution` is computed from its values alone, by the reference implementation of the op `bellman`,
whatever found the values.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.kernels.bellman import Rows, Table, bellman
from rlkit import policies
from rlkit.mdp import MDP
from rlkit.solution import Solution

MOST_SWEEPS = 100_000
_LOADED: set[tuple[Any, ...]] = set()  # methods and array types whose compiled code has been called

# Called after each iteration with the share of the work that is done, in [0, 1], the number of iterations, and the
# residual or largest change of the last one.
Progress = Callable[[float, int, float], None]


def silent(done: float, iterations: int, residual: float) -> None:
    """Tell nobody how far a planner is."""


def timed(method: Callable[..., Solution], mdp: MDP, discount: float, *arguments: Any) -> Solution:
    """The method's solution, with the seconds it took once its compiled code is loaded."""
    load(method, mdp, discount, *arguments[3:])
    started = time.perf_counter()
    solution = method(mdp, discount, *arguments)
    return dataclasses.replace(solution, seconds=time.perf_counter() - started)


def load(method: Callable[..., Solution], mdp: MDP, discount: float, *options: Any) -> None:
    """Load a method's compiled code for such a model, once, by solving one state."""
    key = method, *(array.dtype.char for array in mdp.transitions)
    if key not in _LOADED:
        method(_one_state(mdp), discount, 1.0, 2, silent, *options)
        _LOADED.add(key)


def _one_state(mdp: MDP) -> MDP:
    """A single state in the same storage, in which every action ends the episode."""
    if isinstance(mdp.transitions, Table):
        nowhere = np.full_like(mdp.transitions.successors[:1], -1)
        transitions: Rows | Table = Table(nowhere, mdp.transitions.weights)
    else:
        bounds = np.zeros(mdp.actions + 1, mdp.transitions.indptr.dtype)
        transitions = Rows(bounds, mdp.transitions.indices[:0], mdp.transitions.probabilities[:0])
    return MDP(transitions, np.zeros((1, mdp.actions)), np.zeros(1, bool), np.ones(1))


def prepared(source: Any, discount: float, tolerance: float, max_iterations: int) -> MDP:
    """The model, once the arguments that all planners share have been checked."""
    check_discount(discount)
    if not 0 < tolerance < math.inf:
        raise UserError(f"tolerance is {tolerance}: it must be positive, as 1e-6")
    if max_iterations < 1:
        raise UserError(f"max_iterations is {max_iterations}: it must be 1 or more")
    mdp = MDP.of(source)
    if discount == 1:
        policies.check_every_state_can_end(mdp)
    return mdp


def check_discount(discount: float) -> None:
    if not 0 < discount <= 1:
        raise UserError(f"discount is {discount}: it must lie in (0, 1], as 0.99")


def finished(
    mdp: MDP,
    method: str,
    discount: float,
    tolerance: float,
    values: np.ndarray,
    history: list[float],
) -> Solution:
    q, residual = certificate(mdp, values, discount)
    policy = policies.greedy(mdp, q, discount, tolerance)
    return Solution(mdp, method, discount, tolerance, values, q, policy, residual, np.array(history), 0.0)


def certificate(mdp: MDP, values: np.ndarray, discount: float) -> tuple[np.ndarray, float]:
    """q and max |Tv - v| by the reference implementation, whatever found the values."""
    sweep = bellman(mdp.transitions, mdp.rewards, values, discount, implementation="reference")
    return sweep.q, sweep.residual


def shrunk(history: list[float], tolerance: float) -> float:
    """How far the residual has come from its first value to the tolerance, on a logarithmic scale, in [0, 1]."""
    first, now = history[0], history[-1]
    if now <= tolerance:
        return 1.0
    return max(0.0, math.log(first / now) / math.log(first / tolerance)) if first > tolerance else 0.0


def room(mdp: MDP) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays for what a sweep gives: values, q and policy."""
    return np.empty(mdp.states), np.empty_like(mdp.rewards), np.empty(mdp.states, np.int32)


def model_on(mdp: MDP, device: str) -> tuple[Rows | Table, Any]:
    """Transitions and rewards where the sweeps run."""
    arrays = [move(array, device) for array in mdp.transitions]
    return type(mdp.transitions)(*arrays), move(mdp.rewards, device)


def move(array: np.ndarray, device: str) -> Any:
    """The array where the sweeps run: NumPy on the CPU, where planning does without torch, or a CUDA tensor."""
    if device == "cpu":
        return array
    import torch

    from neuralcore.device import choose_device

    chosen = choose_device(device)
    return array if chosen.type == "cpu" else torch.from_numpy(array).to(chosen)


def as_numpy(array: Any) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()
