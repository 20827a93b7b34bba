"""Graph: named entities, named relations, and edges between them, in splits.

An edge (head, relation, tail) is a row of three numbers; names are kept beside, any Unicode. Text files hold one edge
a line, `head<TAB>relation<TAB>tail`, or `head<TAB>tail` when there is one relation, plain or compressed (.gz, .xz).
Entities may be of several types: which ones a relation goes between is told by `sides`, and names are then those of a
type (the user "apple" is not the page "apple"). Entities are numbered type after type.
Arrow's CSV reader parses them (a million lines a second); only a file that it refuses is read again line by line, to
say which line is wrong. Duplicate edges and self-loops are counted and kept.

A graph that does not fit in memory is first made a folder by `graphkit.graphs.importers`; its names and edges are
then mapped files, and what is done here with edges is done a million at a time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.graphs import folder as graph_folder
from graphkit.graphs.edge_lists import find, numbered, numbered_by_type, read_table, read_titles
from graphkit.graphs.folder import pieces
from graphkit.graphs.repeats import count_repeats
from neuralcore.errors import UserError, nearest
from neuralcore.mapped import give_free_memory_back

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding

SPLITS = ("train", "valid", "test")
ONE_TYPE = "entity"  # the name of the type where there is one
KIND = "graph"


@dataclass(frozen=True)
class Graph:
    """N entities, R relations, and edges in up to three splits.

    Attributes:
        entities: N names, a list or `graphkit.graphs.names.Names`. relations: R names.
        edges: split -> (E, 3) int64, or mapped int32, rows head, relation, tail; "train" is always there.
        titles: N readable names ("" where there is none), or empty.
        weights: (E,) float32 of the training edges, or None where each counts the same.
        types: type -> how many entities, in their order. sides: R pairs of types, a relation's heads' and tails'.
        duplicates: edges of a split that stand there a second time. self_loops: edges from an entity to itself.
    """

    entities: Sequence[str]
    relations: list[str]
    edges: Mapping[str, np.ndarray]
    titles: Sequence[str] = field(default_factory=list)
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
        """A graph from an edge list, a folder of `train`, `valid` and `test` edge lists, or the folder of `save` or
        of `graphkit import`, which is mapped.

        A folder of lists may hold `entity2name.tsv` with readable names. Every list may end in .gz or .xz. Entities
        are numbered as they appear, a split's heads before its tails.

        Args:
            sides: relation -> the types of its heads and tails, every relation of the files; None if all entities are
                of one type.

        Raises:
            UserError: no such file, a bad row, named by file and line, or a relation that `sides` does not have.
        """
        path = Path(path)
        if graph_folder.is_graph_folder(path):
            graph = cls(**graph_folder.read(path))
            for name, pair in zip(graph.relations, graph.sides):
                if sides is not None and sides.get(name) != pair:
                    raise UserError(f"{path}: {name!r} goes from {pair[0]} to {pair[1]}: it was imported so")
            return graph
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
        entities: Sequence[str],
        relations: list[str],
        edges: Mapping[str, np.ndarray] | np.ndarray,
        titles: Sequence[str] | None = None,
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
            for start, some in pieces(rows):
                bad = np.flatnonzero(((some < 0) | (some >= limits)).any(axis=1))
                if len(bad):
                    edge = f"{split} edge {start + bad[0]} is {some[bad[0]].tolist()}"
                    raise UserError(f"{edge}, beyond {limits.tolist()}")
        if weights is not None:
            weights = np.asarray(weights, np.float32)
            if weights.shape != (len(splits["train"]),):
                raise UserError(f"{len(splits['train'])} train edges have weights of shape {weights.shape}")
            for start, each in pieces(weights):
                bad = np.flatnonzero(~((each > 0.0) & (each < np.inf)))
                if len(bad):
                    weight = each[bad[0]]
                    raise UserError(f"train edge {start + bad[0]} weighs {weight}: weights are numbers above 0")
        graph = cls(entities, relations, splits, titles or [], weights, types=types or {}, sides=sides or [])
        for split, rows in splits.items():
            graph._check_sides(split, rows)
        duplicates = sum(count_repeats(rows) for rows in splits.values())
        self_loops = sum(
            int((some[:, 0] == some[:, 2]).sum()) for rows in splits.values() for _, some in pieces(rows)
        )
        give_free_memory_back()
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
            ranges = [[(self.rows_of(kind).start, self.rows_of(kind).stop) for kind in pair] for pair in self.sides]
            for start, some in pieces(rows):
                limits = np.array(ranges)[some[:, 1]]
                for column, end in ((0, 0), (2, 1)):
                    low, high = limits[:, end].T
                    bad = np.flatnonzero((some[:, column] < low) | (some[:, column] >= high))
                    if len(bad):
                        edge = some[bad[0]].tolist()
                        raise UserError(
                            f"{split} edge {start + bad[0]} is {edge}, whose {'tail' if end else 'head'} is no "
                            f"{self.sides[edge[1]][end]}"
                        )

    @classmethod
    def of_networkx(cls, graph: Any, *, relation: str = "relation", weight: str = "weight") -> Graph:
        """A graph from a NetworkX one; see `graphkit.graphs.exchange`, as for the next five."""
        from graphkit.graphs import exchange as graph_exchange

        return graph_exchange.of_networkx(graph, relation=relation, weight=weight)

    @classmethod
    def of_scipy(cls, matrix: Any, names: Sequence[str] | None = None, *, relation: str = "related_to") -> Graph:
        """A graph from a sparse matrix of weights."""
        from graphkit.graphs import exchange as graph_exchange

        return graph_exchange.of_scipy(matrix, names, relation=relation)

    @classmethod
    def of_pyg(cls, data: Any) -> Graph:
        """A graph from PyTorch Geometric's `Data` or `HeteroData`."""
        from graphkit.graphs import exchange as graph_exchange

        return graph_exchange.of_pyg(data)

    def to_networkx(self, split: str = "train", *, embedding: GraphEmbedding | None = None) -> Any:
        """A NetworkX MultiDiGraph."""
        from graphkit.graphs import exchange as graph_exchange

        return graph_exchange.to_networkx(self, split, embedding=embedding)

    def to_scipy(self, relation: str | None = None, split: str = "train") -> Any:
        """A sparse matrix of weights."""
        from graphkit.graphs import exchange as graph_exchange

        return graph_exchange.to_scipy(self, relation, split)

    def to_pyg(self, split: str = "train", *, embedding: GraphEmbedding | None = None) -> Any:
        """PyTorch Geometric's `Data`, or `HeteroData` where there are several types."""
        from graphkit.graphs import exchange as graph_exchange

        return graph_exchange.to_pyg(self, split, embedding=embedding)

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
        """(E, 3) the edges of every split, which filtered ranking must know; of mapped ones, in a file without a
        name."""
        splits = list(self.edges.values())
        if len(splits) == 1:
            return splits[0]
        if not any(isinstance(rows, np.memmap) for rows in splits):
            return np.concatenate(splits)
        with tempfile.TemporaryFile() as file:  # which lives as long as the array does
            shape = sum(map(len, splits)), 3
            together: np.ndarray = np.memmap(file, np.result_type(*splits), "w+", shape=shape)
        done = 0
        for rows in splits:
            for _, some in pieces(rows):
                together[done : done + len(some)] = some
                done += len(some)
        return together

    def digest(self) -> str:
        """SHA-256 of the names and the training edges: what a checkpoint must agree with."""
        hashed = hashlib.sha256()
        for start in range(0, len(self.entities), 1 << 16):
            hashed.update("".join(f"{name}\n" for name in self.entities[start : start + (1 << 16)]).encode())
        hashed.update("\n".join(["", *self.relations]).encode())
        for _, some in pieces(self.train):
            hashed.update(np.ascontiguousarray(some, np.int64).data)
        if self.weights is not None:
            for _, weights in pieces(self.weights):
                hashed.update(np.ascontiguousarray(weights).data)
        return hashed.hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Write it as Arrow and safetensors with their hashes, which `read` takes in a fraction of the time."""
        from graphkit.vectors_folder import write_vectors

        return write_vectors(Path(folder), KIND, *self.parts())

    def parts(self) -> tuple[dict[str, np.ndarray], dict[str, Sequence[str]], dict[str, Any]]:
        """Arrays, columns of N names, and plain values, which `from_parts` takes."""
        arrays = {f"edges.{split}": rows for split, rows in self.edges.items()}
        if self.weights is not None:
            arrays["weights"] = self.weights
        columns: dict[str, Sequence[str]] = {"name": self.entities, "title": self.titles or [""] * len(self.entities)}
        details = {"relations": self.relations, "types": dict(self.types), "sides": self.sides}
        return arrays, columns, details | {"duplicates": self.duplicates, "self_loops": self.self_loops}

    @classmethod
    def from_parts(
        cls, arrays: Mapping[str, np.ndarray], columns: Mapping[str, Any], details: Mapping[str, Any]
    ) -> Graph:
        """What `parts` gave, perhaps among other things."""
        found = {name.removeprefix("edges."): rows for name, rows in arrays.items() if name.startswith("edges.")}
        edges = {split: found[split] for split in dict.fromkeys((*SPLITS, *found)) if split in found}
        titles = columns["title"] if any(columns["title"]) else []
        sides = [(head, tail) for head, tail in details.get("sides", [])]
        kinds = details.get("types")
        if "duplicates" in details:  # checked and counted before it was saved, as older ones do not say
            counts = details["duplicates"], details["self_loops"]
            weights = arrays.get("weights")
            return cls(columns["name"], details["relations"], edges, titles, weights, *counts, kinds or {}, sides)
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
