"""WalkGraph: what walks go over. Named nodes and a row of neighbours for each, with or without weights.

Read from lines of two names, or two names and a weight, between tabs, commas or spaces (told by the first line),
plain or .gz or .xz; `#` and `%` begin comments at the head of a file, as SNAP and KONECT have them. Names with spaces
in them need tabs or commas. Files and folders of `graphkit embed` (head, relation, tail) are taken as well: relations
are not looked at, and of a folder only the training edges are walked on.

An edge that is there twice (in an undirected graph also the other way round) is one edge; weights add up. A self-loop
is an edge like others: the walk may stay. Both are counted.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import lzma
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError
from neuralcore.kernels.random_walks import cumulative_weights
from neuralcore.lazy import lazy_import

pyarrow = lazy_import("pyarrow")
csv = lazy_import("pyarrow.csv")

_OPEN: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
COLUMNS = ("node", "neighbour", "weight")


@dataclass(frozen=True)
class WalkGraph:
    """N nodes and E edges as rows (CSR); an undirected edge stands in both its rows.

    Attributes:
        names: N names.
        offsets: (N + 1,) int64. neighbours: (E,) int32, a row in rising order.
        cumulative: (E,) float64, the weights of a row summed up from its first, or None where all edges are alike.
        directed: whether edges go one way.
        edges: how many there are, an undirected one counted once.
        duplicates: edges that were named once more. self_loops: edges from a node to itself.
        source: the file it was read from, "" where it was made of arrays. nodes_file: that of further names, or "".
    """

    names: list[str]
    offsets: np.ndarray
    neighbours: np.ndarray
    cumulative: np.ndarray | None
    directed: bool
    edges: int
    duplicates: int
    self_loops: int
    source: str = ""
    nodes_file: str = ""

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        directed: bool = False,
        weighted: bool = False,
        nodes: str | Path | None = None,
    ) -> WalkGraph:
        """A graph from an edge list, or from what `Graph.read` takes.

        Args:
            directed: whether a walk goes along an edge from its first node to its second only.
            weighted: whether the third column is a weight.
            nodes: a file of names, one a line, of nodes that are there even if no edge names them.

        Raises:
            UserError: no such file, or a bad line, named by file and line.
        """
        path = Path(path)
        extra = [] if nodes is None else [line for line in read_lines(Path(nodes)) if line]
        names, rows, weights = _read(path, weighted)
        known = set(names)
        names = [*names, *(name for name in dict.fromkeys(extra) if name not in known)]
        graph = cls.of(names, rows, weights, directed=directed)
        return replace(graph, source=str(path), nodes_file=str(nodes or ""))

    @classmethod
    def of(
        cls, names: Sequence[str], edges: np.ndarray, weights: np.ndarray | None = None, *, directed: bool = False
    ) -> WalkGraph:
        """A graph from arrays.

        Args:
            names: N, no name twice; those that no edge names are isolated nodes.
            edges: (M, 2) whole numbers below N.
            weights: (M,) above 0, or None.

        Raises:
            UserError: there are no edges or the arrays do not fit together.
        """
        rows, count = np.asarray(edges, dtype=np.int64), len(names)
        if rows.ndim != 2 or rows.shape[1] != 2 or not len(rows):
            raise UserError(f"edges have shape {rows.shape}, expected (M, 2) with M above 0")
        if not 0 <= rows.min() <= rows.max() < count < 2**31:
            raise UserError(f"edges name nodes from {rows.min()} to {rows.max()}, but there are {count:,} names")
        if len(set(names)) != count:
            raise UserError(f"{count - len(set(names)):,} names are there twice: each node needs a name of its own")
        if weights is not None:
            weights = np.asarray(weights, dtype=np.float64)
            if weights.shape != (len(rows),) or not ((weights > 0.0) & (weights < np.inf)).all():
                raise UserError(f"weights must be {len(rows):,} numbers above 0, one an edge")
        if not directed:
            rows = np.sort(rows, axis=1)
        keys, each = _sorted(rows[:, 0] * count + rows[:, 1], weights)
        begins = np.flatnonzero(np.diff(keys, prepend=-1))
        keys, each = keys[begins], None if each is None else np.add.reduceat(each, begins)
        loops = keys // count == keys % count
        single = len(keys)
        if not directed:
            other = ~loops
            back = keys[other] % count * count + keys[other] // count
            both = None if each is None else np.concatenate([each, each[other]])
            keys, each = _sorted(np.concatenate([keys, back]), both)
        offsets = np.searchsorted(keys, np.arange(count + 1, dtype=np.int64) * count)
        return cls(
            list(names),
            offsets,
            (keys % count).astype(np.int32),
            None if each is None else cumulative_weights(offsets, each),
            directed,
            single,
            len(rows) - single,
            int(loops.sum()),
        )

    @property
    def isolated(self) -> int:
        """How many nodes have no edge, neither out nor in."""
        return int((self._degrees == 0).sum())

    @cached_property
    def _degrees(self) -> np.ndarray:
        """(N,) edges out of a node and into it."""
        return np.diff(self.offsets) + np.bincount(self.neighbours, minlength=len(self.names))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the names and the edges: what kept walks must agree with."""
        hashed = hashlib.sha256("\n".join(self.names).encode())
        for array in (self.offsets, self.neighbours, self.cumulative):
            hashed.update(b"|" if array is None else np.ascontiguousarray(array).data)
        return hashed.hexdigest()

    def __str__(self) -> str:
        kind = f"{'directed' if self.directed else 'undirected'}{'' if self.cumulative is None else ', weighted'}"
        counted = (
            (self.duplicates, "named again" + ("" if self.cumulative is None else ", their weights added")),
            (self.self_loops, "self-loops"),
            (self.isolated, "nodes without edges"),
        )
        odd = "; ".join(f"{count:,} {what}" for count, what in counted if count)
        return f"{len(self.names):,} nodes, {self.edges:,} edges, {kind}" + (f" ({odd})" if odd else "")


def _sorted(keys: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Both in the order of the keys; equal ones stay in theirs, so that weights add up alike on every machine."""
    if weights is None:
        return np.sort(keys), None
    order = np.argsort(keys, kind="stable")
    return keys[order], weights[order]


def _read(path: Path, weighted: bool) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """The names, (M, 2) edges, and the weights where they are asked for."""
    if path.is_dir():
        if weighted:
            raise UserError(f"{path} is a folder, whose files have no weights: name one edge list")
        graph = Graph.read(path)
        return list(graph.entities), np.asarray(graph.train[:, [0, 2]], np.int64), None
    if not path.is_file():
        raise UserError(f"no edge list {path}: name a file with two nodes a line, or a folder of train.tsv")
    data = re.sub(rb"\A(?:[#%][^\n]*(?:\n|\Z)|\s*\n)+", b"", _bytes(path))
    if not data.strip():
        raise UserError(f"{path} holds no edges")
    first = data.split(b"\n", 1)[0].rstrip(b"\r")
    if not weighted and first.count(b"\t") == 2:
        graph = Graph.read(path)
        _check_relations(path, graph)
        return list(graph.entities), np.asarray(graph.train[:, [0, 2]], np.int64), None
    return _parsed(path, data, first, weighted)


def _check_relations(path: Path, graph: Graph) -> None:
    """A weight taken for a node would make a graph of nonsense without a word."""
    tails = [graph.entities[number] for number in np.unique(graph.train[:, 2])]
    if set(graph.relations) & set(graph.entities) and all(map(_is_number, tails)):
        raise UserError(
            f"{path}: the third column holds numbers alone and the second names nodes: for weights add --weighted"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _bytes(path: Path) -> bytes:
    try:
        with _OPEN.get(path.suffix, open)(path, "rb") as file:
            return file.read().removeprefix(codecs.BOM_UTF8)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _parsed(path: Path, data: bytes, first: bytes, weighted: bool) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """The names in order of appearance, (M, 2) edges, and the weights."""
    separator = next((s for s in "\t," if s.encode() in first), " ")
    if separator == " ":
        data = re.sub(rb" *\r?\n *", b"\n", re.sub(rb" +", b" ", data.strip(b" ")))
    columns = COLUMNS if weighted else COLUMNS[:2]
    types = {name: pyarrow.float64() if name == "weight" else pyarrow.string() for name in columns}
    try:
        table = csv.read_csv(
            io.BytesIO(data),
            read_options=csv.ReadOptions(column_names=columns),
            parse_options=csv.ParseOptions(delimiter=separator, quote_char='"' if separator == "," else False),
            convert_options=csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
    except pyarrow.ArrowInvalid as error:
        raise _diagnosis(path, separator, columns, str(error)) from None
    chunks = [chunk for name in columns[:2] for chunk in table[name].chunks]
    encoded = pyarrow.chunked_array(chunks, pyarrow.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pyarrow.ChunkedArray):  # as combine_chunks gave one before Arrow 20
        encoded = encoded.combine_chunks()
    rows = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64).reshape(2, -1).T
    names, weights = encoded.dictionary.to_pylist(), table["weight"].to_numpy() if weighted else None
    if "" in names or (weights is not None and not ((weights > 0.0) & (weights < np.inf)).all()):
        raise _diagnosis(path, separator, columns, "an empty name, or a weight that is not above 0")
    return names, rows, weights


def _diagnosis(path: Path, separator: str, columns: Sequence[str], otherwise: str) -> UserError:
    """What is wrong with an edge list, by its first bad line."""
    between = {"\t": "tabs", ",": "commas", " ": "spaces"}[separator]
    head = True
    for number, line in enumerate(read_lines(path), 1):
        head = head and (not line.strip() or line[0] in "#%")
        if head or not line.strip():
            continue
        fields = line.split() if separator == " " else line.split(separator)
        if len(fields) != len(columns) and '"' not in line:
            wanted = " and ".join((", ".join(columns[:-1]), columns[-1]))
            more = "; --weighted takes a third column as the weight" if len(fields) == 3 > len(columns) else ""
            return UserError(f"{path}:{number}: {len(fields)} columns between {between}, expected {wanted}{more}")
        if not all(fields):
            return UserError(f"{path}:{number}: column {fields.index('') + 1} is empty; every node has a name")
        if len(columns) == 3 and not (_is_number(fields[-1]) and 0.0 < float(fields[-1]) < np.inf):
            return UserError(f"{path}:{number}: the weight {fields[-1]!r} is not a number above 0")
    return UserError(f"{path}: {otherwise}")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, perhaps .gz or .xz.

    Raises:
        UserError: it cannot be read, or is not UTF-8; the line is named.
    """
    data = _bytes(path)
    try:
        return [line.rstrip("\r") for line in data.decode("utf-8").split("\n")]
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
