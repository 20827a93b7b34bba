"""Edges on their way to the disk: numbered as they come, written at once, then gone over where that was asked for.

A split is drawn by the edge itself, its three numbers hashed with the seed: an edge that is there twice is not in
train and in test. Moving edges between splits, summing duplicates and putting types together write a split's files
anew, a piece at a time.

Axes: E edges, N entities, R relations.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.graphs import folder as graph_folder
from graphkit.graphs.edge_lists import ONE_RELATION
from graphkit.graphs.edge_sources import Edges
from graphkit.graphs.folder import RowFile, pieces
from graphkit.graphs.graph import ONE_TYPE, SPLITS
from graphkit.graphs.names import Names
from graphkit.graphs.repeats import count_repeats, repeats
from neuralcore.errors import UserError, nearest
from neuralcore.kernels.name_numbers import NameTable, name_numbers

Sides = Mapping[str, tuple[str, str]]
Mapped = dict[str, tuple[np.ndarray, np.ndarray]]  # split -> (E, 3) edges and (E,) weights, in files


@dataclass
class Imported:
    """What was imported.

    Attributes:
        folder: where it lies. edges: split -> how many. entities, relations: how many.
        skipped: reason -> bad rows that were left out.
        duplicates, self_loops: edges that are there again, and from an entity to itself; both are kept.
        summed: duplicates that became weight of the first. moved: edges that went to train because of `seen`.
    """

    folder: Path
    edges: dict[str, int] = field(default_factory=dict)
    entities: int = 0
    relations: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    self_loops: int = 0
    summed: int = 0
    moved: int = 0

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {split}" for split, count in self.edges.items())
        lines = [f"{self.folder}: {self.entities:,} entities, {self.relations:,} relations, edges: {counts}"]
        lines.append(f"{self.duplicates:,} duplicates and {self.self_loops:,} self-loops among them, kept")
        if self.summed:
            lines.append(f"{self.summed:,} duplicates became weight of the edge that was there first")
        if self.moved:
            lines.append(f"{self.moved:,} edges moved to train, where their entity or relation was missing")
        lines += [f"skipped {count:,} rows: {reason}" for reason, count in self.skipped.items()]
        return "\n".join(lines)


class Stage:
    """Edges on their way to the disk.

    Args:
        folder: where they go. sides: as for `import_graph`.
    """

    def __init__(self, folder: Path, sides: Sides | None):
        self.folder, self.sides = folder, sides
        self.entities, self.relations = NameTable(), NameTable()
        self.types = list(dict.fromkeys(kind for pair in (sides or {}).values() for kind in pair)) or [ONE_TYPE]
        self._pairs = np.zeros((0, 2), np.int16)  # the types of the relations known so far
        self._files: dict[str, tuple[RowFile, RowFile]] = {}
        self.weighted = False

    def add(self, name: str, edges: Edges, shares: Mapping[str, float], seed: int) -> None:
        """Number some edges, and write each to its split's file."""
        kinds = None
        if edges.relations is None:
            one = Names.of([ONE_RELATION])
            number = name_numbers([(one.data, one.offsets)], self.relations)[0, 0]
            relations = np.full(len(edges), number, np.int32)
        else:
            relations = name_numbers([edges.relations], self.relations)[:, 0]
        if self.sides is not None:
            of_relation = self._types_of_relations(self.sides)
            kinds = [np.ascontiguousarray(of_relation[relations, end]) for end in (0, 1)]
        ends = name_numbers([edges.heads, edges.tails], self.entities, kinds)
        rows = np.stack([ends[:, 0], relations, ends[:, 1]], axis=1)
        weights = np.ones(len(rows), np.float32) if edges.weights is None else edges.weights
        self.weighted |= edges.weights is not None
        if not shares:
            self._write(name, rows, weights)
            return
        place = np.searchsorted(np.cumsum(list(shares.values())), _uniform(rows, seed), side="right")
        for number, part in enumerate(shares):
            mine = place == number if number + 1 < len(shares) else place >= number
            self._write(part, rows[mine], weights[mine])

    def _types_of_relations(self, sides: Sides) -> np.ndarray:
        """(R, 2) the types of the relations' heads and tails."""
        for number in range(len(self._pairs), self.relations.size):
            name = self.relations.name(number).decode()
            if name not in sides:
                raise UserError(f"relation {name!r} has no sides: {nearest(name, sides)}")
            pair = np.array([[self.types.index(kind) for kind in sides[name]]], np.int16)
            self._pairs = np.concatenate([self._pairs, pair])
        return self._pairs

    def _write(self, split: str, rows: np.ndarray, weights: np.ndarray) -> None:
        if split not in self._files:
            self._files[split] = self._new(split)
        for file, values in zip(self._files[split], (rows, weights)):
            file.append(values)

    def _new(self, split: str) -> tuple[RowFile, RowFile]:
        edges, weights = self.folder / f"{split}.new", self.folder / f"{split}_w.new"
        return RowFile(edges, 3, np.int32), RowFile(weights, 0, np.float32)

    def close(self) -> None:
        for files in self._files.values():
            for file in files:
                file.close()

    def finish(self, result: Imported, *, seen: bool, sum_duplicates: bool) -> None:
        """What needs all edges at once; then the names and the manifest."""
        if "train" not in self._files:
            raise UserError("there are no edges to learn from" + (": all rows were bad" if result.skipped else ""))
        mapped: Mapped = {}
        for split in SPLITS:
            if split in self._files:
                edges, weights = self._files[split]
                mapped[split] = edges.finish(), weights.finish()
        if seen:
            result.moved = self._move_unseen(mapped)
        names, counts = self._names()
        if counts is not None:
            place = counts[1]
            for split in mapped:
                self._rewrite(mapped, split, lambda start, rows, weights: (_renumbered(rows, place), weights))
        if sum_duplicates:
            for split in list(mapped):
                result.summed += self._sum(mapped, split)
            self.weighted |= bool(result.summed)
        for split in [split for split, (rows, _) in mapped.items() if len(rows)]:
            rows = mapped[split][0]
            result.edges[split] = len(rows)
            result.duplicates += count_repeats(rows)
            result.self_loops += sum(int((some[:, 0] == some[:, 2]).sum()) for _, some in pieces(rows))
            os.replace(self.folder / f"{split}.new", self.folder / f"{split}.npy")
        if self.weighted:
            os.replace(self.folder / "train_w.new", self.folder / "weights.npy")
        for path in self.folder.glob("*.new"):
            path.unlink()
        relations = _table_names(self.relations)
        names.save(self.folder / "entities.arrow")
        relations.save(self.folder / "relations.arrow")
        result.entities, result.relations = len(names), len(relations)
        types = {ONE_TYPE: len(names)} if counts is None else dict(zip(self.types, counts[0]))
        pairs = [(ONE_TYPE, ONE_TYPE)] * len(relations)
        if self.sides is not None:
            pairs = [self.sides[name] for name in relations]
        details = {"splits": list(result.edges), "types": types, "sides": pairs, "skipped": result.skipped}
        counted = {"duplicates": result.duplicates, "self_loops": result.self_loops}
        graph_folder.seal(self.folder, details | counted)

    def _names(self) -> tuple[Names, tuple[list[int], np.ndarray] | None]:
        """The entities' names in their last order; with several types how many of each, and each one's place."""
        names = _table_names(self.entities)
        if len(self.types) == 1 and self.sides is None:
            return names, None
        kinds = self.entities.kinds[: len(names)]
        order = np.argsort(kinds, kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        counts = np.bincount(kinds, minlength=len(self.types)).tolist()
        return Names.from_arrow(names.arrow().take(_arrow(order))), (counts, place)

    def _rewrite(
        self,
        mapped: Mapped,
        split: str,
        change: Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
        more: Iterable[tuple[np.ndarray, np.ndarray]] = (),
    ) -> None:
        """A split's files anew: each piece changed, then more of them."""
        rows, weights = mapped[split]
        beside = RowFile(self.folder / "edges.new", 3, np.int32), RowFile(self.folder / "edges_w.new", 0, np.float32)
        try:
            for start, some in pieces(rows):
                for file, values in zip(beside, change(start, some, np.asarray(weights[start : start + len(some)]))):
                    file.append(values)
            for both in more:
                for file, values in zip(beside, both):
                    file.append(values)
        finally:
            for file in beside:
                file.close()
        for name in ("", "_w"):
            os.replace(self.folder / f"edges{name}.new", self.folder / f"{split}{name}.new")
        mapped[split] = _load(self.folder, split)

    def _move_unseen(self, mapped: Mapped) -> int:
        """Edges of valid and test with something that train has not go there, in order; how many."""
        entities, relations = np.zeros(self.entities.size, bool), np.zeros(self.relations.size, bool)

        def see(rows: np.ndarray) -> None:
            entities[rows[:, 0]] = entities[rows[:, 2]] = True
            relations[rows[:, 1]] = True

        for _, rows in pieces(mapped["train"][0]):
            see(rows)
        held_out = [split for split in mapped if split != "train"]
        staying = {}
        for split in held_out:
            stays = staying[split] = np.ones(len(mapped[split][0]), bool)
            for start, rows in pieces(mapped[split][0]):
                missing = np.flatnonzero(~(entities[rows[:, 0]] & relations[rows[:, 1]] & entities[rows[:, 2]]))
                for i in missing.tolist():  # one by one: an edge that moves brings its entities with it
                    head, relation, tail = rows[i].tolist()
                    if not (entities[head] and relations[relation] and entities[tail]):
                        see(rows[i : i + 1])
                        stays[start + i] = False

        def moving() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for split in held_out:
                for start, rows in pieces(mapped[split][0]):
                    goes = ~staying[split][start : start + len(rows)]
                    yield rows[goes], mapped[split][1][start : start + len(rows)][goes]

        moved = sum(int((~stays).sum()) for stays in staying.values())
        if moved:
            self._rewrite(mapped, "train", lambda start, rows, weights: (rows, weights), moving())
            for split, stays in staying.items():
                self._rewrite(mapped, split, functools.partial(_kept, stays))
        return moved

    def _sum(self, mapped: Mapped, split: str) -> int:
        """Each edge once, where it was first, with the weight of all; how many went."""
        rows, weights = mapped[split]
        stays, total = np.ones(len(rows), bool), None
        for again, first in repeats(rows):
            if total is None:
                total = np.lib.format.open_memmap(self.folder / "total.new", "w+", np.float64, (len(rows),))
                for start, some in pieces(weights):
                    total[start : start + len(some)] = some
            stays[again] = False
            np.add.at(total, first, weights[again])
        if total is None:
            return 0
        summed = total
        self._rewrite(
            mapped, split, lambda start, some, _: _kept(stays, start, some, summed[start : start + len(some)])
        )
        return int((~stays).sum())


def _kept(stays: np.ndarray, start: int, rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mine = stays[start : start + len(rows)]
    return rows[mine], weights[mine]


def _renumbered(rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.stack([place[rows[:, 0]], rows[:, 1], place[rows[:, 2]]], axis=1)


def _uniform(rows: np.ndarray, seed: int) -> np.ndarray:
    """(B,) numbers in [0, 1) that depend on an edge and the seed alone (SplitMix64 of each number in turn)."""
    mixed = np.full(len(rows), seed % 2**64, np.uint64)
    with np.errstate(over="ignore"):
        for column in range(3):
            mixed = (mixed ^ rows[:, column].astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _table_names(table: NameTable) -> Names:
    offsets = table.offsets[: table.size + 1]
    return Names(table.data[: offsets[-1]], offsets)


def _load(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    return graph_folder.load(folder / f"{split}.new"), graph_folder.load(folder / f"{split}_w.new")


def _arrow(order: np.ndarray) -> Any:
    import pyarrow

    return pyarrow.array(order)
