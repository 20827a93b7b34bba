"""Graph: named entities, named relations, and edges between them, in splits.

An edge (head, relation, tail) is a row of three numbers; names are kept beside, any Unicode. Text files hold one edge
a line, `head<TAB>relation<TAB>tail`, or `head<TAB>tail` when there is one relation, plain or compressed (.gz, .xz).
Arrow's CSV reader parses them (a million lines a second); only a file that it refuses is read again line by line, to
say which line is wrong. Duplicate edges and self-loops are counted and kept.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

pyarrow = lazy_import("pyarrow")
compute = lazy_import("pyarrow.compute")
csv = lazy_import("pyarrow.csv")

SPLITS = ("train", "valid", "test")
SUFFIXES = ("", ".gz", ".xz")
ONE_RELATION = "related_to"  # the name of the relation in files of two columns
KIND = "graph"
_OPEN: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Graph:
    """N entities, R relations, and edges in up to three splits.

    Attributes:
        entities: N names. relations: R names.
        edges: split -> (E, 3) int64 rows head, relation, tail; "train" is always there.
        titles: N readable names ("" where there is none), or empty.
        weights: (E,) float32 of the training edges, or None where each counts the same.
        duplicates: edges of a split that stand there a second time. self_loops: edges from an entity to itself.
    """

    entities: list[str]
    relations: list[str]
    edges: Mapping[str, np.ndarray]
    titles: list[str] = field(default_factory=list)
    weights: np.ndarray | None = None
    duplicates: int = 0
    self_loops: int = 0

    @classmethod
    def read(cls, path: str | Path) -> Graph:
        """A graph from an edge list, a folder of `train`, `valid` and `test` edge lists, or the folder of `save`.

        A folder of lists may hold `entity2name.tsv` with readable names. Every list may end in .gz or .xz. Entities
        are numbered as they appear, a split's heads before its tails.

        Raises:
            UserError: no such file, or a bad row, named by file and line.
        """
        path = Path(path)
        if (path / "manifest.json").is_file():
            return cls._read_saved(path)
        if path.is_dir():
            files = {split: _find(path, f"{split}.tsv") for split in SPLITS}
            if files["train"] is None:
                raise UserError(f"{path} holds no train.tsv, train.tsv.gz or train.tsv.xz")
        elif path.is_file():
            files = {"train": path}
        else:
            raise UserError(f"no edge list {path}: name a file of head<TAB>relation<TAB>tail, or a folder of them")
        tables = {split: _read_table(file) for split, file in files.items() if file is not None}
        heads, relations, tails = zip(*tables.values())
        entities, ends = _numbered([column for pair in zip(heads, tails) for column in pair])
        relation_names, kinds = _numbered(list(relations))
        edges = {split: np.stack([ends[2 * i], kinds[i], ends[2 * i + 1]], axis=1) for i, split in enumerate(tables)}
        titles = _read_titles(_find(path, "entity2name.tsv"), entities) if path.is_dir() else []
        return cls.of(entities, relation_names, edges, titles)

    @classmethod
    def of(
        cls,
        entities: list[str],
        relations: list[str],
        edges: Mapping[str, np.ndarray] | np.ndarray,
        titles: list[str] | None = None,
        weights: np.ndarray | None = None,
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
        duplicates = sum(_repeated(rows, len(entities)) for rows in splits.values())
        self_loops = sum(int((rows[:, 0] == rows[:, 2]).sum()) for rows in splits.values())
        return cls(entities, relations, splits, titles or [], weights, duplicates, self_loops)

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
        return arrays, columns, {"relations": self.relations}

    @classmethod
    def from_parts(
        cls, arrays: Mapping[str, np.ndarray], columns: Mapping[str, Any], details: Mapping[str, Any]
    ) -> Graph:
        """What `parts` gave, perhaps among other things."""
        edges = {name.removeprefix("edges."): rows for name, rows in arrays.items() if name.startswith("edges.")}
        titles = columns["title"] if any(columns["title"]) else []
        return cls.of(columns["name"], details["relations"], edges, titles, arrays.get("weights"))

    @classmethod
    def _read_saved(cls, folder: Path) -> Graph:
        from graphkit.vectors_folder import read_vectors

        return cls.from_parts(*read_vectors(folder, KIND))

    def __str__(self) -> str:
        counts = ", ".join(f"{len(rows):,} {split}" for split, rows in self.edges.items())
        odd = [f"{n:,} {what}" for n, what in ((self.duplicates, "duplicates"), (self.self_loops, "self-loops")) if n]
        kept = f" ({' and '.join(odd)} among them, kept)" if odd else ""
        return f"{len(self.entities):,} entities, {len(self.relations):,} relations, edges: {counts}{kept}"


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / (name + suffix) for suffix in SUFFIXES) if p.is_file()), None)


def _numbered(columns: list[Any]) -> tuple[list[str], list[np.ndarray]]:
    """Names in order of appearance, and each column of strings as their int64 numbers."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    encoded = pyarrow.chunked_array(chunks, pyarrow.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pyarrow.ChunkedArray):  # as combine_chunks gave one before Arrow 20
        encoded = encoded.combine_chunks()
    numbers = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    bounds = np.cumsum([len(column) for column in columns])[:-1]
    return encoded.dictionary.to_pylist(), np.split(numbers, bounds)


def _repeated(rows: np.ndarray, entities: int) -> int:
    """How many rows stand there again (exact while R·N² stays below 2⁶⁴)."""
    keys = np.sort((rows[:, 1] * entities + rows[:, 0]) * entities + rows[:, 2])
    return int((keys[1:] == keys[:-1]).sum())


def _read_bytes(path: Path) -> bytes:
    """A file, decompressed, without a byte order mark."""
    try:
        with _OPEN.get(path.suffix, open)(path, "rb") as file:
            return file.read().removeprefix(codecs.BOM_UTF8)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _read_table(path: Path) -> tuple[Any, Any, Any]:
    """The heads, relations and tails of an edge list, as columns of strings."""
    data = _read_bytes(path)
    first = data.lstrip(b"\r\n")
    if not first:
        raise UserError(f"{path} holds no edges")
    columns = first.split(b"\n", 1)[0].count(b"\t") + 1
    if columns not in (2, 3) or b"\0" in data:
        raise _diagnosis(path, data)
    names = ["head", "relation", "tail"] if columns == 3 else ["head", "tail"]
    try:
        table = csv.read_csv(
            io.BytesIO(data),
            read_options=csv.ReadOptions(column_names=names),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string())),
        )
    except pyarrow.ArrowInvalid as error:
        raise _diagnosis(path, data, str(error)) from None
    if any(compute.any(compute.equal(table[name], "")).as_py() for name in names):
        raise _diagnosis(path, data)
    if columns == 2:
        one = pyarrow.chunked_array([pyarrow.repeat(ONE_RELATION, table.num_rows)])
        return table["head"], one, table["tail"]
    return table["head"], table["relation"], table["tail"]


def _diagnosis(path: Path, data: bytes, otherwise: str = "this is not an edge list") -> UserError:
    """What is wrong with an edge list, by its first bad line."""
    columns = 0
    for number, line in enumerate(_text_lines(path, data), 1):
        fields = line.split("\t")
        if fields == [""]:
            continue
        columns = columns or len(fields)
        if len(fields) != columns or len(fields) not in (2, 3):
            wanted = columns if columns in (2, 3) else "2 or 3"
            found = f"{len(fields)} column" + ("s" if len(fields) > 1 else "")
            return UserError(f"{path}:{number}: {found}, expected {wanted} separated by tabs")
        empty = next((i for i, name in enumerate(fields, 1) if not name), None)
        if empty:
            return UserError(f"{path}:{number}: column {empty} is empty; every head, relation and tail has a name")
    return UserError(f"{path}: {otherwise}")


def _text_lines(path: Path, data: bytes) -> list[str]:
    """The lines of a text; what is not text is told by its line."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        raise UserError(f"{path}:{text.count(chr(10), 0, text.index(chr(0))) + 1}: NUL byte; this is not a text file")
    return [line.rstrip("\r") for line in text.split("\n")]


def _read_titles(path: Path | None, entities: list[str]) -> list[str]:
    if path is None:
        return []
    titles = {}
    for number, line in enumerate(_text_lines(path, _read_bytes(path)), 1):
        name, tab, title = line.partition("\t")
        if name and not tab:
            raise UserError(f"{path}:{number}: no tab between a name and its title")
        titles[name] = title
    return [titles.get(name, "") for name in entities]
