"""Graph: named entities, named relations, and edges between them, in splits.

An edge (head, relation, tail) is a row of three numbers; names are kept beside, any Unicode. Text files hold one edge
a line, `head<TAB>relation<TAB>tail`, or `head<TAB>tail` when there is one relation, plain or compressed (.gz, .xz).
Entities may be of several types: which ones a relation goes between is told by `sides`, and names are then those of a
type (the user "apple" is not the page "apple"). Entities are numbered type after type.
Arrow's CSV reader parses them (a million lines a second); only a file that it refuses is read again line by line, to
say which line is wrong. Duplicate edges and self-loops are counted and kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.edge_lists import find, numbered, numbered_by_type, read_table, read_titles
from neuralcore.errors import UserError, nearest

SPLITS = ("train", "valid", "test")
ONE_TYPE = "entity"  # the name of the type where there is one
KIND = "graph"


@dataclass(frozen=True)
class Graph:
    """N entities, R relations, and edges in up to three splits.

    Attributes:
        entities: N names. relations: R names.
        edges: split -> (E, 3) int64 rows head, relation, tail; "train" is always there.
        titles: N readable names ("" where there is none), or empty.
        weights: (E,) float32 of the training edges, or None where each counts the same.
        types: type -> how many entities, in their order. sides: R pairs of types, a relation's heads' and tails'.
        duplicates: edges of a split that stand there a second time. self_loops: edges from an entity to itself.
    """

    entities: list[str]
    relations: list[str]
    edges: Mapping[str, np.ndarray]
    titles: list[str] = field(default_factory=list)
    weights: np.ndarray | None = None
    duplicates: int = 0
    self_loops: int = 0
    types: Mapping[str, int] = field(default_factory=dict)
    sides: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.types:
            object.__setattr__(self, "types", {ONE_TYPE: len(self.entities)})
            object.__setattr__(self, "sides", [(ONE_TYPE, ONE_TYPE)] * len(self.relations))

    @classmethod
    def read(cls, path: str | Path, sides: Mapping[str, tuple[str, str]] | None = None) -> Graph:
        """A graph from an edge list, a folder of `train`, `valid` and `test` edge lists, or the folder of `save`.

        A folder of lists may hold `entity2name.tsv` with readable names. Every list may end in .gz or .xz. Entities
        are numbered as they appear, a split's heads before its tails.

        Args:
            sides: relation -> the types of its heads and tails, every relation of the files; None if all entities are
                of one type.

        Raises:
            UserError: no such file, a bad row, named by file and line, or a relation that `sides` does not have.
        """
        path = Path(path)
        if (path / "manifest.json").is_file():
            return cls._read_saved(path)
        if path.is_dir():
            files = {split: find(path, f"{split}.tsv") for split in SPLITS}
            if files["train"] is None:
                raise UserError(f"{path} holds no train.tsv, train.tsv.gz or train.tsv.xz")
        elif path.is_file():
            files = {"train": path}
        else:
            raise UserError(f"no edge list {path}: name a file of head<TAB>relation<TAB>tail, or a folder of them")
        tables = {split: read_table(file) for split, file in files.items() if file is not None}
        heads, relations, tails = zip(*tables.values())
        relation_names, kinds = numbered(list(relations))
        columns = [column for pair in zip(heads, tails) for column in pair]
        types: dict[str, int] = {}
        if sides is None:
            entities, ends = numbered(columns)
        else:
            for name in relation_names:
                if name not in sides:
                    raise UserError(f"{path}: relation {name!r} has no sides: {nearest(name, sides)}")
            entities, ends, types = numbered_by_type(columns, kinds, [sides[name] for name in relation_names])
        edges = {split: np.stack([ends[2 * i], kinds[i], ends[2 * i + 1]], axis=1) for i, split in enumerate(tables)}
        titles = read_titles(find(path, "entity2name.tsv"), entities) if path.is_dir() else []
        pairs = None if sides is None else [sides[name] for name in relation_names]
        return cls.of(entities, relation_names, edges, titles, types=types, sides=pairs)

    @classmethod
    def of(
        cls,
        entities: list[str],
        relations: list[str],
        edges: Mapping[str, np.ndarray] | np.ndarray,
        titles: list[str] | None = None,
        weights: np.ndarray | None = None,
        types: Mapping[str, int] | None = None,
        sides: list[tuple[str, str]] | None = None,
    ) -> Graph:
        """A graph from names and arrays (E, 3), its duplicates and self-loops counted; `weights` are of train edges.

        Raises:
            UserError: no edges, an edge that names an entity or relation there is not, or a weight that is not above
            0.
        """
        splits = edges if isinstance(edges, Mapping) else {"train": edges}
        if "train" not in splits:
            raise UserError(f"a graph needs train edges, there are only {sorted(splits)}")
        for split, rows in splits.items():
            if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) == 0:
                raise UserError(f"{split} edges have shape {rows.shape}, expected (E, 3) with E above 0")
            limits = np.array([len(entities), len(relations), len(entities)])
            bad = np.flatnonzero(((rows < 0) | (rows >= limits)).any(axis=1))
            if len(bad):
                raise UserError(f"{split} edge {bad[0]} is {rows[bad[0]].tolist()}, beyond {limits.tolist()}")
        if weights is not None:
            weights = np.asarray(weights, np.float32)
            if weights.shape != (len(splits["train"]),):
                raise UserError(f"{len(splits['train'])} train edges have weights of shape {weights.shape}")
            bad = np.flatnonzero(~((weights > 0.0) & (weights < np.inf)))
            if len(bad):
                raise UserError(f"train edge {bad[0]} weighs {weights[bad[0]]}: weights are numbers above 0")
        graph = cls(entities, relations, splits, titles or [], weights, types=types or {}, sides=sides or [])
        for split, rows in splits.items():
            graph._check_sides(split, rows)
        duplicates = sum(_repeated(rows, len(entities)) for rows in splits.values())
        self_loops = sum(int((rows[:, 0] == rows[:, 2]).sum()) for rows in splits.values())
        return dataclasses.replace(graph, duplicates=duplicates, self_loops=self_loops)

    def _check_sides(self, split: str, rows: np.ndarray) -> None:
        """Raise a UserError for an edge whose ends are not of its relation's types."""
        if sum(self.types.values()) != len(self.entities) or len(self.sides) != len(self.relations):
            raise UserError(
                f"types {dict(self.types)} and {len(self.sides)} pairs of sides do not fit {len(self.entities)} "
                f"entities and {len(self.relations)} relations"
            )
        for relation, pair in enumerate(self.sides):
            for name in pair:
                if name not in self.types:
                    raise UserError(
                        f"{self.relations[relation]!r} has the side {name!r}: {nearest(name, self.types)}"
                    )
        if len(self.types) > 1:
            for column, end in ((0, 0), (2, 1)):
                ranges = np.array(
                    [[self.rows_of(pair[end]).start, self.rows_of(pair[end]).stop] for pair in self.sides]
                )
                low, high = ranges[rows[:, 1]].T
                bad = np.flatnonzero((rows[:, column] < low) | (rows[:, column] >= high))
                if len(bad):
                    raise UserError(
                        f"{split} edge {bad[0]} is {rows[bad[0]].tolist()}, whose {'tail' if end else 'head'} is no "
                        f"{self.sides[rows[bad[0], 1]][end]}"
                    )

    def rows_of(self, kind: str) -> range:
        """The numbers of a type's entities."""
        names = list(self.types)
        start = sum(self.types[name] for name in names[: names.index(kind)])
        return range(start, start + self.types[kind])

    @property
    def train(self) -> np.ndarray:
        """(E, 3) the edges that are learned from."""
        return self.edges["train"]

    def all_edges(self) -> np.ndarray:
        """(E, 3) the edges of every split, which filtered ranking must know."""
        return np.concatenate(list(self.edges.values()))

    def digest(self) -> str:
        """SHA-256 of the names and the training edges: what a checkpoint must agree with."""
        hashed = hashlib.sha256("\n".join([*self.entities, "", *self.relations]).encode())
        for start in range(0, len(self.train), 1 << 20):
            hashed.update(np.ascontiguousarray(self.train[start : start + (1 << 20)]).data)
        if self.weights is not None:
            hashed.update(np.ascontiguousarray(self.weights).data)
        return hashed.hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Write it as Arrow and safetensors with their hashes, which `read` takes in a fraction of the time."""
        from graphkit.vectors_folder import write_vectors

        return write_vectors(Path(folder), KIND, *self.parts())

    def parts(self) -> tuple[dict[str, np.ndarray], dict[str, list[str]], dict[str, Any]]:
        """Arrays, columns of N names, and plain values, which `from_parts` takes."""
        arrays = {f"edges.{split}": rows for split, rows in self.edges.items()}
        if self.weights is not None:
            arrays["weights"] = self.weights
        columns = {"name": self.entities, "title": self.titles or [""] * len(self.entities)}
        return arrays, columns, {"relations": self.relations, "types": dict(self.types), "sides": self.sides}

    @classmethod
    def from_parts(
        cls, arrays: Mapping[str, np.ndarray], columns: Mapping[str, Any], details: Mapping[str, Any]
    ) -> Graph:
        """What `parts` gave, perhaps among other things."""
        edges = {name.removeprefix("edges."): rows for name, rows in arrays.items() if name.startswith("edges.")}
        titles = columns["title"] if any(columns["title"]) else []
        sides = [(head, tail) for head, tail in details.get("sides", [])]
        kinds = details.get("types")
        return cls.of(columns["name"], details["relations"], edges, titles, arrays.get("weights"), kinds, sides)

    @classmethod
    def _read_saved(cls, folder: Path) -> Graph:
        from graphkit.vectors_folder import read_vectors

        return cls.from_parts(*read_vectors(folder, KIND))

    def __str__(self) -> str:
        counts = ", ".join(f"{len(rows):,} {split}" for split, rows in self.edges.items())
        odd = [f"{n:,} {what}" for n, what in ((self.duplicates, "duplicates"), (self.self_loops, "self-loops")) if n]
        kept = f" ({' and '.join(odd)} among them, kept)" if odd else ""
        several = len(self.types) > 1
        kinds = f" ({', '.join(f'{count:,} {name}' for name, count in self.types.items())})" if several else ""
        return f"{len(self.entities):,} entities{kinds}, {len(self.relations):,} relations, edges: {counts}{kept}"


def _repeated(rows: np.ndarray, entities: int) -> int:
    """How many rows stand there again (exact while R·N² stays below 2⁶⁴)."""
    keys = np.sort((rows[:, 1] * entities + rows[:, 0]) * entities + rows[:, 2])
    return int((keys[1:] == keys[:-1]).sum())
