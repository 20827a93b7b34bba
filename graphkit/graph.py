"""Graph: named entities, named relations, and edges between them, in splits.

An edge (head, relation, tail) is a row of three numbers; names are kept beside, any Unicode. Text files hold one edge
a line, `head<TAB>relation<TAB>tail`, or `head<TAB>tail` when there is one relation, plain or compressed (.gz, .xz).
Duplicate edges and self-loops are counted and kept.
"""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from neuralcore.errors import UserError

SPLITS = ("train", "valid", "test")
SUFFIXES = ("", ".gz", ".xz")
ONE_RELATION = "related_to"  # the name of the relation in files of two columns
_OPEN = {".gz": gzip.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Graph:
    """N entities, R relations, and edges in up to three splits.

    Attributes:
        entities: N names, in the order their numbers were given: of first appearance.
        relations: R names.
        edges: split -> (E, 3) int64 rows head, relation, tail; "train" is always there.
        titles: N readable names ("" where there is none), or empty.
        duplicates: edges of a split that stand there a second time. self_loops: edges from an entity to itself.
    """

    entities: list[str]
    relations: list[str]
    edges: Mapping[str, np.ndarray]
    titles: list[str] = field(default_factory=list)
    duplicates: int = 0
    self_loops: int = 0

    @classmethod
    def read(cls, path: str | Path) -> Graph:
        """A graph from an edge list, or from a folder of `train`, `valid` and `test` edge lists.

        The folder may hold `entity2name.tsv` with readable names. Every file may end in .gz or .xz.

        Raises:
            UserError: no such file, or a bad row, named by file and line.
        """
        path = Path(path)
        if path.is_dir():
            files = {split: _find(path, f"{split}.tsv") for split in SPLITS}
            if files["train"] is None:
                raise UserError(f"{path} holds no train.tsv, train.tsv.gz or train.tsv.xz")
        elif path.is_file():
            files = {"train": path}
        else:
            raise UserError(f"no edge list {path}: name a file of head<TAB>relation<TAB>tail, or a folder of them")
        rows = {split: _read_rows(file) for split, file in files.items() if file is not None}
        numbers: dict[str, int] = {}
        relation_numbers: dict[str, int] = {}
        edges = {
            split: np.array(
                [
                    (
                        numbers.setdefault(head, len(numbers)),
                        relation_numbers.setdefault(relation, len(relation_numbers)),
                        numbers.setdefault(tail, len(numbers)),
                    )
                    for head, relation, tail in split_rows
                ],
                dtype=np.int64,
            )
            for split, split_rows in rows.items()
        }
        titles = _read_titles(_find(path, "entity2name.tsv"), numbers) if path.is_dir() else []
        return cls.of(list(numbers), list(relation_numbers), edges, titles)

    @classmethod
    def of(
        cls,
        entities: list[str],
        relations: list[str],
        edges: Mapping[str, np.ndarray] | np.ndarray,
        titles: list[str] | None = None,
    ) -> Graph:
        """A graph from names and arrays (E, 3), its duplicates and self-loops counted.

        Raises:
            UserError: no edges, or an edge that names an entity or relation there is not.
        """
        splits = edges if isinstance(edges, Mapping) else {"train": edges}
        for split, rows in splits.items():
            if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) == 0:
                raise UserError(f"{split} edges have shape {rows.shape}, expected (E, 3) with E above 0")
            limits = np.array([len(entities), len(relations), len(entities)])
            bad = np.flatnonzero(((rows < 0) | (rows >= limits)).any(axis=1))
            if len(bad):
                raise UserError(f"{split} edge {bad[0]} is {rows[bad[0]].tolist()}, beyond {limits.tolist()}")
        duplicates = sum(len(rows) - len(np.unique(rows, axis=0)) for rows in splits.values())
        self_loops = sum(int((rows[:, 0] == rows[:, 2]).sum()) for rows in splits.values())
        return cls(entities, relations, splits, titles or [], duplicates, self_loops)

    @property
    def train(self) -> np.ndarray:
        """(E, 3) the edges that are learned from."""
        return self.edges["train"]

    def all_edges(self) -> np.ndarray:
        """(E, 3) the edges of every split, which filtered ranking must know."""
        return np.concatenate(list(self.edges.values()))

    def __str__(self) -> str:
        counts = ", ".join(f"{len(rows):,} {split}" for split, rows in self.edges.items())
        odd = [f"{n:,} {what}" for n, what in ((self.duplicates, "duplicates"), (self.self_loops, "self-loops")) if n]
        kept = f" ({' and '.join(odd)} among them, kept)" if odd else ""
        return f"{len(self.entities):,} entities, {len(self.relations):,} relations, edges: {counts}{kept}"


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / (name + suffix) for suffix in SUFFIXES) if p.is_file()), None)


def _lines(path: Path) -> list[str]:
    """The lines of a text file, decompressed; what is not text is told by its line."""
    try:
        with _OPEN.get(path.suffix, open)(path, "rb") as file:  # type: ignore[operator]
            data = file.read()
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        raise UserError(f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: NUL byte; this is not a text file")
    return text.split("\n")


def _read_rows(path: Path) -> list[tuple[str, str, str]]:
    rows = []
    columns = 0
    for number, line in enumerate(_lines(path), 1):
        fields = line.rstrip("\r").split("\t")
        if fields == [""]:
            continue
        columns = columns or len(fields)
        if len(fields) != columns or len(fields) not in (2, 3):
            wanted = columns if columns in (2, 3) else "2 or 3"
            raise UserError(f"{path}:{number}: {len(fields)} columns, expected {wanted} separated by tabs")
        empty = next((i for i, name in enumerate(fields, 1) if not name), None)
        if empty:
            raise UserError(f"{path}:{number}: column {empty} is empty; every head, relation and tail has a name")
        rows.append((fields[0], fields[1] if columns == 3 else ONE_RELATION, fields[-1]))
    if not rows:
        raise UserError(f"{path} holds no edges")
    return rows


def _read_titles(path: Path | None, numbers: Mapping[str, int]) -> list[str]:
    if path is None:
        return []
    titles = [""] * len(numbers)
    for number, line in enumerate(_lines(path), 1):
        name, tab, title = line.rstrip("\r").partition("\t")
        if name and not tab:
            raise UserError(f"{path}:{number}: no tab between a name and its title")
        if name in numbers:
            titles[numbers[name]] = title
    return titles
