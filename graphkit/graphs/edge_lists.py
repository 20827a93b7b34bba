"""Edge lists as text, and names as numbers.

A line is `head<TAB>relation<TAB>tail`, or `head<TAB>tail` when there is one relation; files may end in .gz or .xz.
Arrow's CSV reader parses them (a million lines a second); only a file that it refuses is read again line by line, to
say which line is wrong.
"""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

pyarrow = lazy_import("pyarrow")
compute = lazy_import("pyarrow.compute")
csv = lazy_import("pyarrow.csv")

SUFFIXES = ("", ".gz", ".xz")
ONE_RELATION = "related_to"  # the name of the relation in files of two columns
_OPEN: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}


def find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / (name + suffix) for suffix in SUFFIXES) if p.is_file()), None)


def numbered(columns: list[Any]) -> tuple[list[str], list[np.ndarray]]:
    """Names in order of appearance, and each column of strings as their int64 numbers."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    encoded = pyarrow.chunked_array(chunks, pyarrow.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pyarrow.ChunkedArray):  # as combine_chunks gave one before Arrow 20
        encoded = encoded.combine_chunks()
    numbers = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    bounds = np.cumsum([len(column) for column in columns])[:-1]
    return encoded.dictionary.to_pylist(), np.split(numbers, bounds)


def numbered_by_type(
    columns: list[Any], kinds: list[np.ndarray], sides: list[tuple[str, str]]
) -> tuple[list[str], list[np.ndarray], dict[str, int]]:
    """As `_numbered`, for a split's heads and then its tails, each name told apart by its type, types together."""
    types = list(dict.fromkeys(name for pair in sides for name in pair))
    marked = []
    for i, column in enumerate(columns):
        of_relation = np.array([types.index(pair[i % 2]) for pair in sides])
        marks = pyarrow.array([f"{number:06d}" for number in range(len(types))]).take(
            pyarrow.array(of_relation[kinds[i // 2]])
        )
        flat = column.combine_chunks() if isinstance(column, pyarrow.ChunkedArray) else column
        marked.append(pyarrow.chunked_array([compute.binary_join_element_wise(marks, flat, "")]))
    names, ends = numbered(marked)
    of_type = np.array([int(name[:6]) for name in names])
    order = np.argsort(of_type, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    counts = np.bincount(of_type, minlength=len(types)).tolist()
    return [names[i][6:] for i in order], [place[column] for column in ends], dict(zip(types, counts))


def read_bytes(path: Path) -> bytes:
    """A file, decompressed, without a byte order mark."""
    try:
        with _OPEN.get(path.suffix, open)(path, "rb") as file:
            return file.read().removeprefix(codecs.BOM_UTF8)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def read_table(path: Path) -> tuple[Any, Any, Any]:
    """The heads, relations and tails of an edge list, as columns of strings."""
    data = read_bytes(path)
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
    for number, line in enumerate(text_lines(path, data), 1):
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


def text_lines(path: Path, data: bytes) -> list[str]:
    """The lines of a text; what is not text is told by its line."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        raise UserError(f"{path}:{text.count(chr(10), 0, text.index(chr(0))) + 1}: NUL byte; this is not a text file")
    return [line.rstrip("\r") for line in text.split("\n")]


def read_titles(path: Path | None, entities: list[str]) -> list[str]:
    if path is None:
        return []
    titles = {}
    for number, line in enumerate(text_lines(path, read_bytes(path)), 1):
        name, tab, title = line.partition("\t")
        if name and not tab:
            raise UserError(f"{path}:{number}: no tab between a name and its title")
        titles[name] = title
    return [titles.get(name, "") for name in entities]
