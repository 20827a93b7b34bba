"""A training that begins with vectors there already: those of an earlier run, or of a file.

Entities and relations are found by their names. Entities that are there begin where they stand, others as in any
training; a relation begins with the numbers of the one of its name and operator. From a run folder the sums of
Adagrad come along, without which the first steps would be as long as those of a new training; from a file they begin
with 0.

Frozen rows have the sum +∞, so that every step of theirs is exactly 0 (op `row_adagrad`): new nodes and edges join a
trained model, and what was there does not move.

Matrices lie in mapped files, so memory is that of names and a number or two for each entity.

Axes: N entities of the graph, M vectors of the earlier training, D numbers of each, n relations of an operator.
"""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from graphkit.embedding.formats import read
from graphkit.embedding.partition import Partition
from graphkit.embedding.relation_classes import Relations, RelationTable
from graphkit.embedding.shards import is_shard
from graphkit.embedding.vectors import GraphVectors, pieces
from graphkit.graphs.graph import Graph
from neuralcore.checkpoint import CheckpointStore
from neuralcore.errors import UserError, nearest
from neuralcore.mapped import forget_pages


class GraphWarmStart:
    """What an earlier training left, for a graph.

    Args:
        path: a run folder, or vectors in any form (`graphkit.embedding.formats.read`).
        graph: of the training to come. dimension: of its vectors.
        relations: where its relations' numbers are. freeze: names of entities and relations that are not to change.

    Attributes:
        found: how many of the graph's entities have a vector. frozen: how many of them stay as they are.
        relations_found: how many relations have numbers.
        digest: SHA-256 of all that follows from it.

    Raises:
        UserError: there are no vectors, none is of the graph's entities, their dimension is another, or a frozen name
            is not in the graph or has nothing to begin with.
    """

    def __init__(
        self, path: str | Path, graph: Graph, dimension: int, relations: Relations, freeze: Iterable[str] = ()
    ):
        self._vectors = vectors = read(path, _on_disk)
        if vectors.matrix.shape[1] != dimension:
            raise UserError(f"{path} has vectors of {vectors.matrix.shape[1]} numbers, not dimension = {dimension}")
        self._rows = vectors.rows_in(graph.entities, graph.types)
        self.found = int((self._rows >= 0).sum())
        if not self.found:
            raise UserError(f"{path} has no vector of any entity of the graph: are the names the same?")
        self._state, states = _adagrad(Path(path), vectors)
        self._relations = self._match(graph, relations, states)
        self.relations_found = len(self._relations)
        self._frozen, self._frozen_relations = self._freeze(path, graph, list(dict.fromkeys(freeze)))
        self.frozen = int(self._frozen.sum())
        self.digest = self._hash()

    def _match(
        self, graph: Graph, relations: Relations, states: Mapping[str, np.ndarray]
    ) -> dict[int, tuple[str, np.ndarray, np.ndarray]]:
        """Of the graph's relations: operator, numbers (2, W) and Adagrad's state (2, W)."""
        vectors, found = self._vectors, {}
        at = vectors.rows_of_relations()
        place = {name: i for i, name in enumerate(vectors.relations)}
        for i, name in enumerate(graph.relations):
            j = place.get(name)
            operator = str(relations.operator_of[i])
            if j is not None and vectors.operators[j] == operator:
                numbers = vectors.parameters(j, at[j])
                state = np.zeros_like(numbers)
                if operator in states:
                    state = states[operator][[at[j], at[j] + len(states[operator]) // 2]]
                found[i] = operator, numbers, np.where(np.isfinite(state), state, 0.0)
        return found

    def _freeze(self, path: str | Path, graph: Graph, names: list[str]) -> tuple[np.ndarray, set[int]]:
        """(N,) bool of the entities, and the numbers of relations, that are called so."""
        chosen = set(names)
        frozen = np.fromiter((name in chosen for name in graph.entities), bool, len(graph.entities))
        relations = {i for i, name in enumerate(graph.relations) if name in chosen}
        known = {graph.entities[i] for i in np.flatnonzero(frozen).tolist()} | {graph.relations[i] for i in relations}
        for name in names:
            if name not in known:
                raise UserError(
                    f"{name!r} is to stay as it is, but not in the graph: {nearest(name, graph.entities)}"
                )
        for i in np.flatnonzero(frozen & (self._rows < 0)).tolist():
            raise UserError(f"{graph.entities[i]!r} is to stay as it is, but {path} has no vector of it")
        for number in relations - set(self._relations):
            raise UserError(
                f"the relation {graph.relations[number]!r} is to stay as it is, but {path} has none of that operator"
            )
        return frozen, relations

    def _hash(self) -> str:
        digest = hashlib.sha256(self._rows.data)
        digest.update(self._frozen.data)
        digest.update(repr(sorted(self._frozen_relations)).encode())
        for piece in pieces(self._vectors.matrix):
            digest.update(np.ascontiguousarray(self._vectors.matrix[piece]).data)
            forget_pages(self._vectors.matrix)
        if self._state is not None:
            digest.update(self._state.data)
        for i, (operator, numbers, state) in sorted(self._relations.items()):
            digest.update(f"{i} {operator}".encode() + numbers.tobytes() + state.tobytes())
        return digest.hexdigest()

    def into(self, entities: np.ndarray, rows: np.ndarray, weight: np.ndarray, state: np.ndarray) -> None:
        """Put the vectors of entities into rows of a shard, some at a time.

        Args:
            entities, rows: (C',) their numbers and places. weight: (C, D) and state: (C,), of the shard.
        """
        there = self._rows[entities] >= 0
        entities, rows = entities[there], rows[there]
        # In the order in which they lie in the file.
        order = np.argsort(self._rows[entities], kind="stable")
        entities, rows = entities[order], rows[order]
        for piece in pieces(np.broadcast_to(np.float32(0.0), (len(rows), weight.shape[1]))):
            source = self._rows[entities[piece]]
            weight[rows[piece]] = self._vectors.matrix[source]
            if self._state is not None:
                state[rows[piece]] = self._state[source]
            forget_pages(self._vectors.matrix)
        state[rows[self._frozen[entities]]] = np.inf

    def into_relations(self, tables: Mapping[str, RelationTable], relations: Relations) -> None:
        """Put the relations' numbers into their tables."""
        for i, (operator, numbers, state) in self._relations.items():
            table, row = tables[operator], relations.row_of[i]
            both = [row, row + table.half]
            table.weight[both] = numbers
            table.state[both] = np.inf if i in self._frozen_relations else state


def read_names(path: Path) -> list[str]:
    """The names in a file, one a line; empty lines are none.

    Raises:
        UserError: it cannot be read, is not UTF-8, or has no name.
    """
    try:
        names = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}; it should hold names in UTF-8, one a line") from None
    if not names:
        raise UserError(f"{path} holds no name: one a line")
    return [name.removesuffix("\r") for name in names]


def _on_disk(shape: tuple[int, int], dtype: type) -> np.ndarray:
    """An array in a temporary file, which lives as long as the array does."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def _adagrad(run: Path, vectors: GraphVectors) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """Adagrad's sums of a run's newest checkpoint: (M,) of the entities, and of each operator's relations.

    None and nothing where there is no run. Frozen rows of that run have no sum and begin with 0.
    """
    if not (run / "checkpoints").is_dir() or vectors.config is None:
        return None, {}
    store = CheckpointStore(run / "checkpoints")
    checkpoint = store.load(later=is_shard)
    if checkpoint is None:
        return None, {}
    try:
        seed = tomllib.loads((run / "config.toml").read_text())["seed"]
    except (OSError, ValueError, KeyError):
        raise UserError(
            f"{run}/config.toml does not say the run's seed: name {run}/vectors to begin without"
        ) from None
    partition = Partition(tuple(vectors.types.values()), vectors.config.partitions, seed)
    state = np.zeros(len(vectors.names), np.float32)
    places = partition.places()
    buffer: dict[str, np.ndarray] = {}
    for shard, version in enumerate(checkpoint.state["versions"]):
        if version:
            buffer = store.read(f"entities_{shard}", buffer)
            entities, rows = partition.members(shard, places)
            state[entities] = buffer["state"][rows]
    state[~np.isfinite(state)] = 0.0
    prefix = "relations_"
    states = {
        name.removeprefix(prefix): s["state"] for name, s in checkpoint.shards.items() if name.startswith(prefix)
    }
    return state, states
