"""Edge lists read piece by piece, whatever their size: TSV, CSV (plain, .gz, .xz, .zst), Parquet and Arrow files.

Arrow's streaming readers parse them; names stay bytes, as Arrow has them, and never become Python strings. A row is
bad if it has too few or too many columns, an empty name, bytes that are not UTF-8, a NUL, or a weight that is not a
number above 0. Bad rows end the reading with file, line and column, for which the file is read again line by line
(`graphkit.graphs.bad_rows`), or they are skipped and counted.
"""

from __future__ import annotations

import csv as csv_text
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.graphs import bad_rows
from graphkit.graphs.bad_rows import NUMBER, ROLES
from graphkit.graphs.names import bytes_of
from graphkit.text_files import Block, blocks
from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import

pyarrow = lazy_import("pyarrow")
compute = lazy_import("pyarrow.compute")
csv = lazy_import("pyarrow.csv")
parquet = lazy_import("pyarrow.parquet")

COMPRESSED = (".gz", ".xz", ".zst")
TABLES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
BYTES = 1 << 20  # of text parsed at once
ROWS = 1 << 17  # of a Parquet file at once


@dataclass(frozen=True)
class Layout:
    """How to read the files.

    Attributes:
        columns: names or numbers (from 1) of the columns with head, relation, tail and perhaps weight, or of head and
            tail; "-" for no relation. None: those called head, relation, tail and weight, or 2 to 4 in this order.
        delimiter: between columns of text; None: a comma in .csv, otherwise a tab. Only with a tab are quotes nothing
            special.
        header: whether the first line of text names the columns; None: if it says head and tail, or `columns` are
            names.
    """

    columns: Sequence[str | int] | None = None
    delimiter: str | None = None
    header: bool | None = None

    def __post_init__(self) -> None:
        if self.columns is not None and len(self.columns) not in (2, 3, 4):
            raise UserError(f"columns {list(self.columns)}: give head,tail or head,relation,tail or these and weight")
        if self.delimiter is not None and not (len(self.delimiter) == 1 and self.delimiter.isascii()):
            raise UserError(f"delimiter {self.delimiter!r} is not one character of ASCII")

    def places(self, found: Sequence[str], path: Path) -> dict[str, int]:
        """Role -> its column's number from 0, among columns with these names.

        Raises:
            UserError: there is no such column, or it has to be said which they are.
        """
        if self.columns is None:
            if {"head", "tail"} <= set(found):
                return {role: found.index(role) for role in ROLES if role in found}
            if len(found) not in (2, 3, 4):
                count = f"{len(found)} column" + ("s" if len(found) != 1 else "")
                raise UserError(f"{path}:1: {count}, expected 2 to 4: is it the delimiter, or --columns?")
            return {role: place for place, role in enumerate(_roles(len(found)))}
        places = {}
        for role, column in zip(_roles(len(self.columns)), self.columns):
            if column == "-" and role == "relation":
                continue
            if str(column) in found:
                places[role] = list(found).index(str(column))
            elif str(column).isdecimal() and 1 <= int(column) <= len(found):
                places[role] = int(column) - 1
            else:
                raise UserError(f"{path} has no column {column!r} for the {role}: {nearest(str(column), found)}")
        return places


def _roles(count: int) -> tuple[str, ...]:
    return ("head", "tail") if count == 2 else ROLES[:count]


@dataclass
class Edges:
    """Some good rows: `heads`, `tails` and, if there is that column, `relations` as bytes and offsets (see op
    `name_numbers`), and `weights` (B,) float32."""

    heads: tuple[np.ndarray, np.ndarray]
    tails: tuple[np.ndarray, np.ndarray]
    relations: tuple[np.ndarray, np.ndarray] | None
    weights: np.ndarray | None

    def __len__(self) -> int:
        return len(self.heads[1]) - 1


@dataclass
class Reader:
    """Reads files of one layout.

    Attributes:
        skip: whether bad rows are left out; otherwise the first one is an error. skipped: reason -> how many were.
    """

    layout: Layout
    skip: bool = False
    skipped: Counter[str] = field(default_factory=Counter)

    def read(self, path: Path) -> Iterator[Edges]:
        """The good rows of a file, in order.

        Raises:
            UserError: it cannot be read, has other columns than the layout says, or has a bad row.
        """
        if path.suffix in TABLES:
            yield from self._table(path)
        else:
            yield from self._text(path)

    def _text(self, path: Path) -> Iterator[Edges]:
        stream = _Stream(path)
        kind = next(suffix for suffix in reversed(path.suffixes or [""]) if suffix not in COMPRESSED or suffix == "")
        delimiter = self.layout.delimiter or ("," if kind == ".csv" else "\t")
        first = next(csv_text.reader([stream.first_line()], **bad_rows.dialect(delimiter)), [])
        header = self.layout.header
        if header is None:
            wanted = {str(column) for column in self.layout.columns or ("head", "tail")} - {"-"}
            wanted = {column for column in wanted if not column.isdecimal()}
            header = bool(wanted) and wanted <= set(first)
        numbers = [str(number) for number in range(1, len(first) + 1)]
        places = self.layout.places(first if header else numbers, path)
        names = [f"{number}" for number in range(len(first))]
        quoted = delimiter != "\t"

        def on_bad_row(row: Any) -> str:
            self.skipped["too few columns" if row.actual_columns < row.expected_columns else "too many columns"] += 1
            return "skip" if self.skip else "error"

        try:
            batches = csv.open_csv(
                pyarrow.PythonFile(stream, mode="r"),
                read_options=csv.ReadOptions(column_names=names, skip_rows=int(header), block_size=BYTES),
                parse_options=csv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if quoted else False,
                    double_quote=quoted,
                    newlines_in_values=quoted,
                    invalid_row_handler=on_bad_row,
                ),
                convert_options=csv.ConvertOptions(
                    include_columns=[names[place] for place in places.values()],
                    column_types=dict.fromkeys(names, pyarrow.binary()),
                ),
            )
            for batch in batches:
                good, fault = self._good(dict(zip(places, batch.columns)))
                if fault and not self.skip:
                    raise bad_rows.first(path, delimiter, header, places, len(first), fault[1])
                if len(good):
                    yield good
        except pyarrow.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header alone
                return
            raise bad_rows.first(path, delimiter, header, places, len(first), str(error)) from None

    def _table(self, path: Path) -> Iterator[Edges]:
        rows = 0
        try:
            if path.suffix in (".parquet", ".pq"):
                file = parquet.ParquetFile(path)
                found = file.schema_arrow.names
                places = self.layout.places(found, path)
                batches = file.iter_batches(ROWS, columns=[found[place] for place in places.values()])
            else:
                file = pyarrow.ipc.open_file(pyarrow.memory_map(str(path)))
                found = file.schema.names
                places = self.layout.places(found, path)
                batches = (file.get_batch(number) for number in range(file.num_record_batches))
            for batch in batches:
                columns = {role: batch.column(found[place]) for role, place in places.items()}
                good, fault = self._good(columns)
                if fault and not self.skip:
                    row, reason, role = fault
                    raise UserError(f"{path}: row {rows + row + 1}, column {found[places[role]]!r}: {reason}")
                rows += batch.num_rows
                if len(good):
                    yield good
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError) as error:
            raise UserError(f"{path} cannot be read: {error}") from None

    def _good(self, columns: dict[str, Any]) -> tuple[Edges, tuple[int, str, str] | None]:
        """The rows without a fault, and the first fault: row, reason and role."""
        binaries, weights = {}, None
        rows = len(columns["head"])
        reasons = np.zeros(rows, np.int8)  # 1 + which of `found`; 0 for good rows
        found: list[tuple[str, str]] = []

        def mark(bad: np.ndarray, reason: str, role: str) -> None:
            if bad.any():
                found.append((reason, role))
                reasons[bad & (reasons == 0)] = len(found)

        for role, column in columns.items():
            if role == "weight":
                weights, is_number = _numbers(column)
                mark(~is_number, "weight is no number", role)
                with np.errstate(invalid="ignore"):
                    mark(~((weights > 0) & (weights < np.inf)), "weight is not a number above 0", role)
                continue
            binaries[role] = array = _binary(column)
            data, offsets = bytes_of(array)
            mark(np.diff(offsets) == 0, "empty name", role)
            inside = data[offsets[0] : offsets[-1]]
            if len(inside) and inside.min() == 0:
                mark(_rows_with(inside == 0, offsets), "NUL byte", role)
            if len(inside) and inside.max() >= 128:
                some = np.flatnonzero(_rows_with(inside >= 128, offsets))
                mark(_not_utf8(array, some), "not UTF-8", role)
        fault = None
        if found:
            row = int(np.flatnonzero(reasons)[0])
            fault = (row, *found[reasons[row] - 1])
            for number, (reason, _) in enumerate(found, 1):
                self.skipped[reason] += int((reasons == number).sum())
            keep = pyarrow.array(reasons == 0)
            binaries = {role: column.filter(keep) for role, column in binaries.items()}
            weights = None if weights is None else weights[reasons == 0]
        each = {role: bytes_of(column) for role, column in binaries.items()}
        return Edges(each["head"], each["tail"], each.get("relation"), weights), fault


def _binary(column: Any) -> Any:
    """A column as bytes with 64-bit offsets, whatever it was; what is missing is empty."""
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type)):
        column = column.cast(pyarrow.large_string())
    column = column.cast(pyarrow.large_binary())
    return compute.fill_null(column, b"") if column.null_count else column


def _rows_with(bytes_: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(B,) which rows have one of the marked bytes, which are those from the first offset on."""
    before = np.concatenate([[0], np.cumsum(bytes_)])
    return np.diff(before[offsets - offsets[0]]) > 0


def _not_utf8(array: Any, some: np.ndarray) -> np.ndarray:
    bad = np.zeros(len(array), bool)
    try:
        array.take(pyarrow.array(some)).cast(pyarrow.large_string())
    except pyarrow.ArrowInvalid:
        for row in some.tolist():
            try:
                array[row].as_py().decode()
            except UnicodeDecodeError:
                bad[row] = True
    return bad


def _numbers(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """(B,) float32 numbers, and which of the rows are any."""
    if pyarrow.types.is_binary(column.type) or pyarrow.types.is_string(column.type):
        good = compute.fill_null(compute.match_substring_regex(column, rf"^{NUMBER}$"), False)
        filled = compute.if_else(good, column, b"1" if pyarrow.types.is_binary(column.type) else "1")
        filled = compute.replace_substring_regex(filled.cast(pyarrow.string()), r"^\+", "")
        weights = filled.cast(pyarrow.float64())
    else:
        good, weights = column.is_valid(), compute.fill_null(column.cast(pyarrow.float64(), safe=False), 1.0)
    with np.errstate(over="ignore"):
        values = weights.to_numpy(zero_copy_only=False).astype(np.float32)
    return values, good.to_numpy(zero_copy_only=False)


class _Stream:
    """A text file, decompressed, as a file object that reads as much as it is asked for: so Arrow's blocks, and with
    them everything, are the same for a file and the compressed file."""

    def __init__(self, path: Path):
        self._blocks = blocks(path)
        self._pending: list[memoryview] = [memoryview(self._next().data)]
        self.closed = False

    def _next(self) -> Block:
        return next(self._blocks)

    def first_line(self) -> str:
        """The first line that is not empty, which is not read by this; those before it are."""
        data = bytes(self._pending[0]).lstrip(b"\r\n")
        self._pending[0] = memoryview(data)
        return re.split(rb"[\r\n]", data, maxsplit=1)[0].decode(errors="surrogateescape")

    def read(self, size: int = -1) -> bytes:
        held = sum(map(len, self._pending))
        while size < 0 or held < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._pending.append(memoryview(block.data))
            held += len(block.data)
        data = b"".join(self._pending)
        size = len(data) if size < 0 else size
        self._pending = [memoryview(data)[size:]] if len(data) > size else []
        return data[:size]

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return True
