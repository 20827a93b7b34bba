"""Reads the model out of an environment's arrays, a toy-text table, matrices or a function, and refuses a wrong one.

Each reader lists the outcomes row by row (row s·A + a), with the probability, successor and reward of each;
`assemble` checks them, takes expectations and drops what comes after an end. What is refused is named by state and
action.

Axes: S states, A actions, K outcomes of one action, E outcomes in all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.kernels.bellman import Table
from neuralcore.shape import match_shape
from rlkit.environments import make_env
from rlkit.mdp import MDP, TABLES, Grid, index_type
from rlkit.outcomes import assemble, check_outcomes, checked_shape, start_distribution

WIDEST_TABLE = 16  # different successors of a state, up to which a table pays

# Gymnasium's toy-text environments whose states are the cells of a grid, row by row -> their action symbols.
TOY_TEXT_GRIDS = {"FrozenLakeEnv": ("←", "↓", "→", "↑"), "CliffWalkingEnv": ("↑", "→", "↓", "←")}


def of_name(name: str | Path) -> MDP:
    path = Path(name)
    if isinstance(name, Path) or path.is_dir() or path.suffix.lower() in TABLES:
        return MDP.read(path)
    environment = make_env(name)
    try:
        return MDP.of(environment)
    finally:
        environment.close()


def of_model(model: Any) -> MDP:
    successors = np.asarray(model.successors)
    states, actions, outcomes = checked_shape(successors, -1, -1, -1, name="model.successors")
    for name in ("probabilities", "rewards"):
        checked_shape(getattr(model, name), states, actions, outcomes, name=f"model.{name}")
    checked_shape(model.terminals, states, name="model.terminals")
    probabilities, rewards = (np.asarray(array, np.float64) for array in (model.probabilities, model.rewards))
    terminals = np.asarray(model.terminals, bool)
    if states > 1 and probabilities.strides[0] == 0:  # one array for all states, as `np.broadcast_to` gives it
        table = _table(successors, probabilities[0], rewards, terminals)
        if table is not None:
            return MDP(*table, terminals, start_distribution(model.start, terminals), _grid_of_table(model, table))
    return assemble(
        np.arange(0, successors.size + 1, outcomes),
        successors.reshape(-1),
        probabilities.reshape(-1),
        rewards.reshape(-1),
        terminals=terminals,
        actions=actions,
        start=model.start,
        cells=model.grid,
        action_symbols=tuple(model.action_symbols),
    )


def _table(
    successors: np.ndarray, weights: np.ndarray, rewards: np.ndarray, terminals: np.ndarray
) -> tuple[Table, np.ndarray] | None:
    """A model with the same probabilities in all states as a `Table` with its rewards (S, A).

    None if something is wrong with it, for `assemble` to name, or if the table would be wider than it helps.

    Args:
        successors, rewards: (S, A, K). weights: (A, K).
    """
    states, actions, outcomes = successors.shape
    sound = (weights >= 0).all() and (np.abs(weights.sum(axis=1) - 1) <= 1e-12).all()
    if not (sound and 0 <= successors.min() <= successors.max() < states and np.isfinite(rewards).all()):
        return None
    columns: list[np.ndarray] = []  # each different one; in a grid the neighbours, however often actions name them
    mix = np.zeros((actions, actions * outcomes))
    for action, outcome in np.ndindex(actions, outcomes):
        column = successors[:, action, outcome]
        same = (d for d, known in enumerate(columns) if np.array_equal(known[:64], column[:64]))
        d = next((d for d in same if np.array_equal(columns[d], column)), len(columns))
        if d == len(columns):
            columns.append(np.ascontiguousarray(column))
        mix[action, d] += weights[action, outcome]
    if len(columns) > WIDEST_TABLE:
        return None
    expected = np.einsum("sak,ak->sa", rewards, weights)
    expected[terminals] = 0.0
    narrow: np.ndarray = np.stack(columns, axis=1).astype(index_type(states), copy=False)
    narrow[terminals] = -1
    return Table(narrow, np.ascontiguousarray(mix[:, : len(columns)])), expected


def _grid_of_table(model: Any, table: tuple[Table, np.ndarray]) -> Grid | None:
    """What entering each terminal pays, weighed by how likely each way into it is, for the drawing."""
    if model.grid is None:
        return None
    states = len(table[1])
    terminals, mass, paid = np.asarray(model.terminals, bool), np.zeros(states), np.zeros(states)
    for action, outcome in np.ndindex(*model.successors.shape[1:]):
        successor = model.successors[:, action, outcome]
        enters = np.flatnonzero(terminals[successor] & ~terminals)
        weight = model.probabilities[enters, action, outcome]
        np.add.at(mass, successor[enters], weight)
        np.add.at(paid, successor[enters], weight * model.rewards[enters, action, outcome])
    rewards = np.divide(paid, mass, out=np.zeros(states), where=mass > 0)
    return Grid(np.asarray(model.grid), tuple(model.action_symbols), rewards)


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
    check_outcomes(indptr, successors, probabilities, rewards, states, actions)

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
    from scipy.sparse import csr_matrix, issparse, vstack

    try:
        matrices = [csr_matrix(matrix, dtype=np.float64) for matrix in transitions]
    except (TypeError, ValueError):
        raise UserError(
            "transitions must be A matrices (S, S): an array (A, S, S) or a list of sparse ones"
        ) from None
    if not matrices:
        raise UserError("transitions hold no matrix: give one (S, S) for each action")
    actions, states = len(matrices), matrices[0].shape[0]
    for action, matrix in enumerate(matrices):
        checked_shape(matrix, states, states, name=f"transitions of action {action}")
    by_state = np.arange(states * actions).reshape(actions, states).T.reshape(-1)  # row s·A + a <- row a·S + s
    stacked = vstack(matrices, format="csr")[by_state]
    lengths = np.diff(stacked.indptr)
    if isinstance(rewards, (list, tuple)) and rewards and issparse(rewards[0]):
        for action, matrix in enumerate(rewards):
            checked_shape(matrix, states, states, name=f"rewards of action {action}")
        if len(rewards) != actions:
            raise UserError(f"there are rewards of {len(rewards)} actions and transitions of {actions}")
        row = np.repeat(np.arange(states * actions), lengths)
        by_row = vstack([csr_matrix(matrix) for matrix in rewards], format="csr")[by_state]
        paid = np.asarray(by_row[row, stacked.indices]).reshape(-1)
    else:
        paid = _paid(np.asarray(rewards, np.float64), stacked, states, actions)
    return assemble(
        stacked.indptr.astype(np.int64),
        stacked.indices,
        stacked.data,
        paid,
        terminals=None,
        actions=actions,
    )


def _paid(rewards: np.ndarray, stacked: Any, states: int, actions: int) -> np.ndarray:
    """The reward (E,) of each stored outcome of `stacked` (S·A, S)."""
    if rewards.shape not in ((states,), (states, actions), (actions, states, states)):
        raise UserError(
            f"rewards have shape {rewards.shape}: with {actions} transition matrices of {states} states they must be "
            f"({states},), ({states}, {actions}) or ({actions}, {states}, {states})"
        )
    row = np.repeat(np.arange(states * actions), np.diff(stacked.indptr))
    if rewards.ndim == 3:
        return rewards[row % actions, row // actions, stacked.indices]
    return np.broadcast_to(rewards.reshape(states, -1), (states, actions)).reshape(-1)[row]


def of_function(
    outcomes: Callable[[Any, Any], Iterable[tuple[Any, ...]]],
    states: int | Sequence[Hashable],
    actions: int | Sequence[Hashable],
    start: Any,
) -> MDP:
    names = tuple(() if isinstance(given, int) else tuple(map(str, given)) for given in (states, actions))
    each_state, each_action = (range(given) if isinstance(given, int) else given for given in (states, actions))
    number = {state: index for index, state in enumerate(each_state)}
    if not len(number) == len(each_state) > 0 or not len(each_action):
        raise UserError("states and actions must not be empty, and no state may be named twice")
    lengths: list[int] = []
    flat: list[tuple[float, float, float, float]] = []
    for state in each_state:
        for action in each_action:
            before = len(flat)
            for outcome in outcomes(state, action):
                try:
                    probability, successor, reward, *ended = outcome
                    flat.append((probability, number[successor], reward, bool(ended and ended[0])))
                except (KeyError, TypeError, ValueError):
                    raise UserError(
                        f"state {state}, action {action}: outcome {outcome!r} must be (probability, successor, "
                        f"reward) or (probability, successor, reward, terminated), the successor one of the states"
                    ) from None
            lengths.append(len(flat) - before)
    table = np.array(flat, np.float64).reshape(-1, 4)
    return assemble(
        np.concatenate([[0], np.cumsum(lengths)]),
        table[:, 1].astype(np.int64),
        table[:, 0],
        table[:, 2],
        terminals=None,
        actions=len(each_action),
        ended=table[:, 3] != 0,
        start=None if start is None else _start_of(start, number),
        names=(names[0], names[1]),
    )


def _start_of(start: Any, number: Mapping[Any, int]) -> np.ndarray:
    chances = start if isinstance(start, Mapping) else {start: 1.0}
    distribution = np.zeros(len(number))
    for state, probability in chances.items():
        if state not in number:
            raise UserError(f"start {state!r} is not among the states")
        distribution[number[state]] = probability
    return distribution
