"""Reads the model out of an environment's arrays, a toy-text table or dense matrices, and refuses a wrong one.

Each reader lists the outcomes row by row (row s·A + a), with the probability, successor and reward of each;
`assemble` checks them, takes expectations and drops what comes after an end. What is refused is named by state and
action.

Axes: S states, A actions, K outcomes of one action, E outcomes in all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.shape import match_shape
from rlkit.mdp import MDP, Grid, index_type

SUM_TOLERANCE = 1e-6  # rows off by less are rescaled: float32 probabilities are common

# Gymnasium's toy-text environments whose states are the cells of a grid, row by row -> their action symbols.
TOY_TEXT_GRIDS = {"FrozenLakeEnv": ("←", "↓", "→", "↑"), "CliffWalkingEnv": ("↑", "→", "↓", "←")}


def of_model(model: Any) -> MDP:
    successors = np.asarray(model.successors)
    states, actions, outcomes = _shape(successors, -1, -1, -1, name="model.successors")
    for name in ("probabilities", "rewards"):
        _shape(getattr(model, name), states, actions, outcomes, name=f"model.{name}")
    _shape(model.terminals, states, name="model.terminals")
    return assemble(
        np.arange(0, successors.size + 1, outcomes),
        successors.reshape(-1),
        np.asarray(model.probabilities, np.float64).reshape(-1),
        np.asarray(model.rewards, np.float64).reshape(-1),
        terminals=np.asarray(model.terminals, bool),
        actions=actions,
        start=model.start,
        cells=model.grid,
        action_symbols=tuple(model.action_symbols),
    )


def of_toy_text(table: Any, environment: Any = None) -> MDP:
    states = len(table)
    if not states:
        raise UserError("the toy-text table P has no states: give P[s][a] for every state and action")
    rows: list[Any] = []
    for state in range(states):
        try:
            actions = table[state]
            rows += [actions[action] for action in range(len(actions))]
        except (KeyError, TypeError):
            raise UserError(
                f"P[{state}] must hold the outcomes of actions 0, 1, …: number states and actions from 0"
            ) from None
        if len(actions) != len(table[0]):
            raise UserError(
                f"state {state} has {len(actions)} actions and state 0 has {len(table[0])}: give all the same"
            )
    actions = len(table[0])
    try:
        flat = np.array([outcome for row in rows for outcome in row], dtype=np.float64)
        match_shape(flat, -1, 4, name="P")
    except (TypeError, ValueError):
        raise UserError(
            "P[s][a] must be a list of outcomes (probability, successor, reward, terminated): one of them is not"
        ) from None
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    probabilities, successors, rewards = flat[:, 0], flat[:, 1].astype(np.int64), flat[:, 2]
    ended = flat[:, 3] != 0
    _check_outcomes(indptr, successors, probabilities, rewards, states, actions)

    # A state that others enter only by ending is a terminal, whatever its own rows say (CliffWalking's goal moves
    # on). One that is also entered in passing (Taxi's "passenger already there") or begun in keeps its rows.
    start = getattr(environment, "initial_state_distrib", None)
    sources = np.repeat(np.arange(states * actions) // actions, np.diff(indptr))
    entered = (probabilities > 0) & (sources != successors)
    terminals = np.zeros(states, bool)
    terminals[successors[entered & ended]] = True
    terminals[successors[entered & ~ended]] = False
    if start is not None:
        terminals &= np.asarray(start) == 0

    name = type(environment).__name__
    symbols = TOY_TEXT_GRIDS.get(name, ())
    shape = (environment.desc.shape if hasattr(environment, "desc") else environment.shape) if symbols else None
    return assemble(
        indptr,
        successors,
        probabilities,
        rewards,
        terminals=terminals,
        actions=actions,
        ended=ended,
        start=start,
        cells=None if shape is None else np.arange(states).reshape(shape),
        action_symbols=symbols,
    )


def of_matrices(transitions: Any, rewards: Any) -> MDP:
    transitions, rewards = np.asarray(transitions, np.float64), np.asarray(rewards, np.float64)
    actions, states, _ = _shape(transitions, -1, -1, -1, name="transitions (A, S, S)")
    _shape(transitions, actions, states, states, name="transitions (A, S, S)")
    if rewards.shape not in ((states,), (states, actions), (actions, states, states)):
        raise UserError(
            f"rewards have shape {rewards.shape}: with transitions {transitions.shape} they must be ({states},), "
            f"({states}, {actions}) or {transitions.shape}"
        )
    by_state = transitions.transpose(1, 0, 2)  # (S, A, S)
    if rewards.ndim == 3:
        paid = rewards.transpose(1, 0, 2)
    else:
        paid = np.broadcast_to(rewards.reshape(states, -1, 1), by_state.shape)
    state, action, successor = np.nonzero(by_state)  # NaN counts as not zero, and is then refused by name
    lengths = np.bincount(state * actions + action, minlength=states * actions)
    each = np.arange(states)
    stays = (by_state[each, :, each] == 1).all(axis=1)
    return assemble(
        np.concatenate([[0], np.cumsum(lengths)]),
        successor,
        by_state[state, action, successor],
        paid[state, action, successor],
        terminals=stays & (paid[each, :, each] == 0).all(axis=1),
        actions=actions,
    )


def assemble(
    indptr: np.ndarray,
    successors: np.ndarray,
    probabilities: np.ndarray,
    rewards: np.ndarray,
    *,
    terminals: np.ndarray,
    actions: int,
    ended: np.ndarray | None = None,
    start: Any = None,
    cells: np.ndarray | None = None,
    action_symbols: tuple[str, ...] = (),
) -> MDP:
    """Check the outcomes, take expected rewards, and drop whatever comes after an end.

    Args:
        indptr: (S·A + 1,); successors, probabilities, rewards, ended: (E,), one entry an outcome.
        terminals: (S,) bool. start: (S,), None for uniform over the states that are no terminals.
        cells, action_symbols: of a `Grid`, if there is one.
    """
    states = len(terminals)
    _check_outcomes(indptr, successors, probabilities, rewards, states, actions)
    lengths = np.diff(indptr)
    sums = _row_sums(probabilities, indptr)
    acting = ~np.repeat(terminals, actions)  # (S·A,) rows of states in which one acts
    wrong = acting & (np.abs(sums - 1) > SUM_TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            f"{_pair(row, actions)}: the probabilities sum to {sums[row]:.9g}, not 1: list every outcome once"
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
        goes_on &= ~ended
    if not goes_on.all():
        lengths = _row_sums(goes_on.astype(np.int64), indptr).astype(np.int64)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        successors, probabilities = successors[goes_on], probabilities[goes_on]
    integers = index_type(len(successors))
    return MDP(
        indptr.astype(integers),
        successors.astype(integers),
        np.ascontiguousarray(probabilities),
        expected.reshape(states, actions),
        terminals,
        _start(start, terminals),
        grid,
    )


def _check_outcomes(
    indptr: np.ndarray,
    successors: np.ndarray,
    probabilities: np.ndarray,
    rewards: np.ndarray,
    states: int,
    actions: int,
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
            raise UserError(f"{_pair(row, actions)}: {found}")


def _start(start: Any, terminals: np.ndarray) -> np.ndarray:
    if start is None:
        acting = ~terminals if not terminals.all() else np.ones_like(terminals)
        return acting / acting.sum()
    start = np.asarray(start, np.float64)
    _shape(start, len(terminals), name="start")
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


def _shape(array: Any, *expected: int, name: str) -> tuple[int, ...]:
    """`match_shape` for arrays that a user made."""
    try:
        return match_shape(np.asarray(array), *expected, name=name)
    except ValueError as error:
        raise UserError(str(error)) from None


def _pair(row: int, actions: int) -> str:
    return f"state {row // actions}, action {row % actions}"
