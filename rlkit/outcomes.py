"""Outcomes listed row by row become an `MDP`: checked, averaged, and cut off where an episode ends.

What is refused is named by state and action. Axes: S states, A actions, E outcomes, row s·A + a holding those of
action a in state s.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.kernels.bellman import Rows
from neuralcore.shape import match_shape
from rlkit.mdp import MDP, Grid, index_type

SUM_TOLERANCE = 1e-6  # rows off by less are rescaled: float32 probabilities are common

Names = tuple[tuple[str, ...], tuple[str, ...]]  # of states and actions, or empty


def assemble(
    indptr: np.ndarray,
    successors: np.ndarray,
    probabilities: np.ndarray,
    rewards: np.ndarray,
    *,
    terminals: np.ndarray | None,
    actions: int,
    ended: np.ndarray | None = None,
    start: Any = None,
    cells: np.ndarray | None = None,
    action_symbols: tuple[str, ...] = (),
    names: Names = ((), ()),
) -> MDP:
    """Check the outcomes, take expected rewards, and drop whatever comes after an end.

    Args:
        indptr: (S·A + 1,); successors, probabilities, rewards, ended: (E,), one entry an outcome.
        terminals: (S,) bool; None for the states that no action leaves and that pay nothing.
        start: (S,), None for uniform over the states that are no terminals.
        cells, action_symbols: of a `Grid`, if there is one.
        names: of states and actions, for messages too.
    """
    states = (len(indptr) - 1) // actions
    check_outcomes(indptr, successors, probabilities, rewards, states, actions, names)
    lengths = np.diff(indptr)
    if terminals is None:
        terminals = _resting(indptr, successors, probabilities, rewards, ended, states, actions)
    sums = _row_sums(probabilities, indptr)
    acting = ~np.repeat(terminals, actions)  # (S·A,) rows of states in which one acts
    wrong = acting & (np.abs(sums - 1) > SUM_TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            f"{_pair(row, actions, names)}: the probabilities sum to {sums[row]:.9g}, not 1: list every outcome once"
        )
    if (np.abs(sums[acting] - 1) > 1e-12).any():
        probabilities = probabilities / np.repeat(np.where(acting, sums, 1.0), lengths)

    possible = probabilities > 0
    weighted = probabilities * np.where(possible, rewards, 0.0)
    expected = np.where(acting, _row_sums(weighted, indptr), 0.0)
    goes_on = possible & np.repeat(acting, lengths)
    grid = None
    if cells is not None:
        into = goes_on & terminals[np.where(possible, successors, 0)]
        mass, paid = (np.bincount(successors[into], x[into], states) for x in (probabilities, weighted))
        grid = Grid(np.asarray(cells), action_symbols, np.divide(paid, mass, out=np.zeros(states), where=mass > 0))
    if ended is not None:
        goes_on &= ~ended | terminals[np.where(possible, successors, 0)]  # in a terminal nothing follows anyway
    if not goes_on.all():
        lengths = _row_sums(goes_on.astype(np.int64), indptr).astype(np.int64)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        successors, probabilities = successors[goes_on], probabilities[goes_on]
    integers = index_type(len(successors))
    transitions = Rows(indptr.astype(integers), successors.astype(integers), np.ascontiguousarray(probabilities))
    return MDP(
        transitions,
        expected.reshape(states, actions),
        terminals,
        start_distribution(start, terminals),
        grid,
        names[0],
        names[1],
    )


def _resting(
    indptr: np.ndarray,
    successors: np.ndarray,
    probabilities: np.ndarray,
    rewards: np.ndarray,
    ended: np.ndarray | None,
    states: int,
    actions: int,
) -> np.ndarray:
    """(S,) bool: the states that have no outcomes, or that no outcome leaves, ends or pays for."""
    sources = np.repeat(np.arange(states * actions) // actions, np.diff(indptr))
    active = (probabilities != 0) & ((successors != sources) | (rewards != 0))
    if ended is not None:
        active |= (probabilities != 0) & ended
    resting = np.ones(states, bool)
    resting[sources[active]] = False
    return resting


def check_outcomes(
    indptr: np.ndarray,
    successors: np.ndarray,
    probabilities: np.ndarray,
    rewards: np.ndarray,
    states: int,
    actions: int,
    names: Names = ((), ()),
) -> None:
    """Refuse the first outcome that cannot be; outcomes of probability 0 only pad, and may hold anything."""
    possible = probabilities != 0
    for wrong, complaint in (
        (
            ~((probabilities >= 0) & (probabilities < np.inf)),
            "probability {p} of going to state {s}: it must be 0 or more",
        ),
        (possible & ((successors < 0) | (successors >= states)), "successor {s}: states are 0 to " + str(states - 1)),
        (possible & ~np.isfinite(rewards), "reward {r} of going to state {s}: it must be a finite number"),
    ):
        if wrong.any():
            outcome = int(wrong.argmax())
            row = int(np.searchsorted(indptr, outcome, side="right")) - 1
            found = complaint.format(p=probabilities[outcome], s=successors[outcome], r=rewards[outcome])
            raise UserError(f"{_pair(row, actions, names)}: {found}")


def start_distribution(start: Any, terminals: np.ndarray) -> np.ndarray:
    if start is None:
        acting = ~terminals if not terminals.all() else np.ones_like(terminals)
        return acting / acting.sum()
    start = np.asarray(start, np.float64)
    checked_shape(start, len(terminals), name="start")
    if not (start >= 0).all():
        raise UserError(f"start probability {start.min():g} of state {start.argmin()}: it must be 0 or more")
    if abs(start.sum() - 1) > SUM_TOLERANCE:
        raise UserError(f"the start probabilities sum to {start.sum():.9g}, not 1: list every first state once")
    return start


def _row_sums(entries: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """Sum of each row's entries; 0 for an empty row, which `reduceat` alone would give the next row's first."""
    sums = np.zeros(len(indptr) - 1)
    filled = np.diff(indptr) > 0
    if filled.any():
        sums[filled] = np.add.reduceat(entries, indptr[:-1][filled])
    return sums


def checked_shape(array: Any, *expected: int, name: str) -> tuple[int, ...]:
    """`match_shape` for arrays that a user made."""
    try:
        return match_shape(array if hasattr(array, "shape") else np.asarray(array), *expected, name=name)
    except ValueError as error:
        raise UserError(str(error)) from None


def _pair(row: int, actions: int, names: Names) -> str:
    state, action = divmod(row, actions)
    return f"state {names[0][state] if names[0] else state}, action {names[1][action] if names[1] else action}"
