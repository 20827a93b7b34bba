"""A model on disk, and in the forms in which other planners take one.

A saved model is a folder with `model.json` (storage, names, the hash) and `model.safetensors` (the arrays).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.checkpoint import read_arrays, write_arrays, write_text
from neuralcore.errors import UserError, nearest
from neuralcore.kernels.bellman import Rows, Table
from rlkit.mdp import MDP, TABLES, Grid
from rlkit.outcomes import assemble

FORMAT = 1
STORAGES: dict[str, Any] = {"rows": Rows, "table": Table}
COLUMNS = ("state", "action", "successor", "probability", "reward")


def save(mdp: MDP, folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: a model is saved to a folder")
    folder.mkdir(parents=True, exist_ok=True)
    storage = "table" if isinstance(mdp.transitions, Table) else "rows"
    arrays = dict(zip(mdp.transitions._fields, mdp.transitions))
    arrays |= {"rewards": mdp.rewards, "terminals": mdp.terminals, "start": mdp.start}
    if mdp.grid is not None:
        arrays |= {"cells": mdp.grid.cells, "terminal_rewards": mdp.grid.terminal_rewards}
    description = {
        "format": FORMAT,
        "storage": storage,
        "states": mdp.states,
        "actions": mdp.actions,
        "action_symbols": None if mdp.grid is None else mdp.grid.action_symbols,
        "state_names": mdp.state_names,
        "action_names": mdp.action_names,
        "arrays_sha256": write_arrays(folder / "model.safetensors", arrays),
    }
    write_text(folder / "model.json", json.dumps(description, ensure_ascii=False, indent=1))
    return folder


def read(path: Path) -> MDP:
    if path.is_dir():
        return _load(path)
    if path.suffix.lower() not in TABLES:
        raise UserError(f"{path} is no model: give the folder of a saved one, or a {' or '.join(TABLES)} table")
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    return _read_table(path)


def _load(folder: Path) -> MDP:
    path = folder / "model.json"
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no model (no model.json): name a folder that MDP.save wrote") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}): save the model again") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise UserError(f"{path}: not a model of format {FORMAT}: load it with the version that wrote it")
    try:
        arrays = read_arrays(folder / "model.safetensors", description["arrays_sha256"])
        storage = STORAGES[description["storage"]]
        symbols = description["action_symbols"]
        grid = None if symbols is None else Grid(arrays["cells"], tuple(symbols), arrays["terminal_rewards"])
        return MDP(
            storage(*(arrays[name] for name in storage._fields)),
            arrays["rewards"],
            arrays["terminals"],
            arrays["start"],
            grid,
            tuple(description["state_names"]),
            tuple(description["action_names"]),
        )
    except KeyError as error:
        raise UserError(f"{path}: {error} is missing or unknown: save the model again") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{folder}: {error}: save the model again") from None


def _read_table(path: Path) -> MDP:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = _read_csv(path) if path.suffix.lower() == ".csv" else parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: cannot be read as a table: {error}") from None
    for name in COLUMNS:
        if name not in table.column_names:
            raise UserError(f"{path}: there is no column {name!r}: {nearest(name, table.column_names)}")
    for name in table.column_names:
        if name not in (*COLUMNS, "terminated"):
            raise UserError(f"{path}: unknown column {name!r}: {nearest(name, (*COLUMNS, 'terminated'))}")
    if not table.num_rows:
        raise UserError(f"{path}: the table has no rows: give one for each outcome")
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    for name, column in columns.items():
        if column.null_count:
            _refuse(path, name, int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]), "is empty")
    both = pa.concat_arrays(_alike(path, columns["state"], columns["successor"]))
    numbers, state_names = _numbered(path, "state", both)
    action, action_names = _numbered(path, "action", columns["action"])
    state, successor = numbers[: table.num_rows], numbers[table.num_rows :]
    probability, reward = (_floats(path, name, columns[name]) for name in ("probability", "reward"))
    ended = _floats(path, "terminated", columns["terminated"]) != 0 if "terminated" in columns else None

    states, actions = int(numbers.max()) + 1, int(action.max()) + 1
    row = state * actions + action
    order = np.argsort(row, kind="stable")
    try:
        return assemble(
            np.concatenate([[0], np.cumsum(np.bincount(row, minlength=states * actions))]),
            successor[order],
            probability[order],
            reward[order],
            terminals=None,
            actions=actions,
            ended=None if ended is None else ended[order],
            names=(state_names, action_names),
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read_csv(path: Path) -> Any:
    from pyarrow import csv

    # "nan" is a number that is then refused by name, not a missing one.
    options = csv.ConvertOptions(null_values=[""], strings_can_be_null=True)
    # On one thread, for on several Arrow does not say which row is ragged.
    return csv.read_csv(path, read_options=csv.ReadOptions(use_threads=False), convert_options=options)


def _alike(path: Path, state: Any, successor: Any) -> list[Any]:
    """Both columns with one type: numbers in both, or the texts of both."""
    import pyarrow as pa

    if pa.types.is_integer(state.type) and pa.types.is_integer(successor.type):
        return [state.cast(pa.int64()), successor.cast(pa.int64())]
    return [_texts(path, "state", state), _texts(path, "successor", successor)]


def _texts(path: Path, name: str, column: Any) -> Any:
    import pyarrow as pa

    if not (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_integer(column.type)
    ):
        raise UserError(f"{path}: column {name!r} holds {column.type}: give whole numbers from 0, or names")
    return column.cast(pa.string())


def _numbered(path: Path, name: str, column: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers from 0, and names in the order of the numbers where the column held names."""
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        numbers = column.to_numpy(zero_copy_only=False).astype(np.int64)
        if numbers.min() < 0:
            rows = len(numbers) // 2 if name == "state" else len(numbers)  # states come with successors behind them
            _refuse(path, name, int(numbers.argmin()) % rows, f"is {numbers.min()}: numbers begin at 0")
        return numbers, ()
    encoded = _texts(path, name, column).dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), tuple(encoded.dictionary.to_pylist())


def _floats(path: Path, name: str, column: Any) -> np.ndarray:
    import pyarrow as pa

    try:
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        raise UserError(f"{path}: column {name!r} holds {column.type}: it must be numbers") from None


def _refuse(path: Path, name: str, row: int, complaint: str) -> None:
    """Name a row as an editor shows it: a .csv has its header in line 1."""
    place = f"{path}:{row + 2}" if path.suffix.lower() == ".csv" else f"{path}, row {row}"
    raise UserError(f"{place}: {name} {complaint}")


def to_toy_text(mdp: MDP) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:
    indptr, indices, probabilities = (array.tolist() for array in mdp.rows)
    rewards, terminals = mdp.rewards.tolist(), mdp.terminals.tolist()
    missing = (1 - np.asarray(mdp.matrix().sum(axis=1))).reshape(-1).tolist()
    ends = mdp.ends.reshape(-1).tolist()
    table: dict[int, dict[int, list[tuple[float, int, float, bool]]]] = {}
    for state in range(mdp.states):
        table[state] = {}
        for action in range(mdp.actions):
            row = state * mdp.actions + action
            outcomes = range(indptr[row], indptr[row + 1])
            paid = rewards[state][action]
            cell = [(probabilities[i], indices[i], paid, terminals[indices[i]]) for i in outcomes]
            if ends[row]:  # a terminal stays where it is; an episode that ends elsewhere is told so in place
                cell.append((missing[row], state, paid, True))
            table[state][action] = cell
    return table


def to_matrices(mdp: MDP) -> tuple[list[Any], np.ndarray]:
    from scipy.sparse import coo_matrix

    states, actions = mdp.states, mdp.actions
    resting = int(mdp.terminals.argmax()) if mdp.terminals.any() else states if mdp.ends.any() else None
    size = states + (resting == states)
    indptr, indices, probabilities = mdp.rows
    row = np.repeat(np.arange(states * actions), np.diff(indptr))
    ending = np.flatnonzero(mdp.ends & ~mdp.terminals[:, None])
    missing = 1 - np.asarray(mdp.matrix().sum(axis=1)).reshape(-1)[ending]
    still = np.flatnonzero(mdp.terminals) if resting != states else np.array([states])
    matrices = []
    for action in range(actions):
        mine, last = row % actions == action, ending % actions == action
        sources = np.concatenate([row[mine] // actions, ending[last] // actions, still])
        targets = np.concatenate([indices[mine], np.full(int(last.sum()), resting or 0), still])
        weights = np.concatenate([probabilities[mine], missing[last], np.ones(len(still))])
        matrices.append(coo_matrix((weights, (sources, targets)), shape=(size, size)).tocsr())
    return matrices, np.concatenate([mdp.rewards, np.zeros((size - states, actions))])
