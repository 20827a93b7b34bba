"""Vectors of graphs as other programs write and read them.

| format | name | what is in it |
|---|---|---|
| word2vec | .txt, .vec (also .gz, .xz) | word2vec's text format: names without white space, vectors |
| tsv | .tsv | name<TAB>numbers, as PyTorch-BigGraph exports them; relations in <name>.relations.tsv |
| parquet | .parquet | columns name, title, type, vector; relations in <name>.relations.parquet |
| safetensors | .safetensors | all of it in one file of arrays; names as UTF-8 bytes and where each ends |
| biggraph | a folder | PyTorch-BigGraph's checkpoint, see `graphkit.bigraph_format` (extra hdf5) |

Tables are written and read in pieces, and a file is there when it is whole. Numbers in text have the digits that give
the same float32 back. A name that a format cannot hold is refused, never changed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from graphkit.bigraph_format import is_bigraph, read_bigraph, write_bigraph
from graphkit.embed_config import EmbedConfig
from graphkit.graph_vectors import GraphVectors, Parameter, check, parameters_of, pieces
from graphkit.vectors_folder import read_vectors
from graphkit.word_formats import are_numbers, read_word2vec, write_word2vec
from neuralcore import array_file
from neuralcore.config import from_mapping, to_mapping
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from neuralcore.mapped import forget_pages

pyarrow = lazy_import("pyarrow")
parquet = lazy_import("pyarrow.parquet")

Format = Literal["word2vec", "tsv", "parquet", "safetensors", "biggraph"]
SUFFIXES: dict[str, Format] = {
    ".txt": "word2vec",
    ".vec": "word2vec",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".safetensors": "safetensors",
}
SIDES = ("lhs", "rhs")  # acts on the head and asks for tails, acts on the tail and asks for heads
BLOCK = 1 << 20  # numbers of text at once
Allocate = Callable[[tuple[int, int], type], np.ndarray]


def format_of(path: Path) -> Format | None:
    """By the suffix, that of compression aside."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".xz")]
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def write(vectors: GraphVectors, path: str | Path, form: Format | None = None) -> list[Path]:
    """Write vectors in a format, by default that of the path's suffix; returns what was written.

    Raises:
        UserError: the suffix says no format, the format cannot hold a name, or it cannot be written; what was there
            before is intact, and no half of anything is left.
    """
    path = Path(path)
    form = form or format_of(path)
    if form is None:
        known = ", ".join(SUFFIXES)
        raise UserError(
            f"{path}: the suffix says no format: end it in {known}, or say --format biggraph for a folder"
        )
    if form == "biggraph":
        return [write_bigraph(vectors, path)]
    if form in ("word2vec", "tsv") and len(set(vectors.names)) < len(vectors.names):
        seen: set[str] = set()
        twice = next(name for name in vectors.names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UserError(f"{path}: the name {twice!r} is there in two types, which {form} does not tell: use .parquet")
    if form == "word2vec":
        return [write_word2vec(path, vectors.names, vectors.matrix)]
    return {"tsv": _write_tsv, "parquet": _write_parquet, "safetensors": _write_safetensors}[form](vectors, path)


def read(path: str | Path, allocate: Allocate = np.empty) -> GraphVectors:
    """Vectors in any of the formats, or those of a run folder of `graphkit embed`, whose matrix is mapped.

    Args:
        allocate: makes the matrix of the others, (shape, dtype) -> array.

    Raises:
        UserError: there are none, or a file is not as it should be; the line is told where there are lines.
    """
    path = Path(path)
    if path.is_dir():
        return read_bigraph(path, allocate) if is_bigraph(path) else _read_folder(path)
    if not path.is_file():
        raise UserError(f"{path} is not there: name a run folder, or a file or folder of vectors")
    form = format_of(path)
    if form in ("tsv", "parquet", "safetensors"):
        readers = {"tsv": _read_tsv, "parquet": _read_parquet, "safetensors": _read_safetensors}
        try:
            return check(str(path), readers[form](path, allocate))
        except (OSError, ValueError, KeyError, TypeError) as error:  # Arrow's errors are among them
            raise UserError(f"{path} cannot be read as {form}: {error}") from None
    names, matrix = read_word2vec(path, allocate)
    return GraphVectors(names, matrix)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when all went well and is gone otherwise."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"{path} could not be written ({error.strerror}); what was there is intact") from None
        raise


def _beside(path: Path) -> Path:
    """Where the relations of a file of vectors are."""
    return path.with_name(f"{path.stem}.relations{path.suffix}")


def _tables(operators: list[str], sides: list[str], numbers: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Operator -> (2 n, W), from the numbers of each relation's sides, as `GraphVectors` has them."""
    tables = {}
    for operator in dict.fromkeys(operators):
        found = [
            [row for op, at, row in zip(operators, sides, numbers) if (op, at) == (operator, side)] for side in SIDES
        ]
        if len(found[0]) != len(found[1]):
            raise ValueError(
                f"{len(found[0])} {operator} relations have numbers for {SIDES[0]}, {len(found[1])} for rhs"
            )
        tables[operator] = np.stack(found[0] + found[1]).astype(np.float32)
    return tables


# -- TSV ----------------------------------------------------------------------------------------------------------


def _write_tsv(vectors: GraphVectors, path: Path) -> list[Path]:
    if path.suffix != ".tsv":
        raise UserError(f"{path}: TSV is written plain: end the name in .tsv, and compress the file afterwards")
    for name in (*vectors.names, *vectors.relations):
        if not name or any(character in name for character in "\t\n\r"):
            raise UserError(f"the name {name!r} is empty or has a tab or an end of line, which .tsv cannot hold")
    written = [path]
    dimension = vectors.matrix.shape[1]
    if vectors.relations:
        written.append(_beside(path))
        with _replacing(written[1]) as temporary, open(temporary, "wb") as file:
            for i, row in enumerate(vectors.rows_of_relations()):
                operator = vectors.operators[i]
                for side, numbers in zip(SIDES, vectors.parameters(i, row)):
                    start = 0
                    # A relation without numbers has a line, too: else its name would be lost.
                    for part in parameters_of(operator, dimension) or [Parameter("-", "-", (0,))]:
                        end = start + int(np.prod(part.shape))
                        size = "x".join(map(str, part.shape))
                        head = [vectors.relations[i], side, operator, part.name, size]
                        file.write("\t".join([*head, *numbers[start:end].astype(str)]).encode() + b"\n")
                        start = end
    with _replacing(path) as temporary, open(temporary, "wb") as file:
        for piece in pieces(vectors.matrix):
            for name, numbers in zip(vectors.names[piece], vectors.matrix[piece]):
                file.write("\t".join([name, *numbers.astype(str)]).encode() + b"\n")
            forget_pages(vectors.matrix)
    return written


def _read_tsv(path: Path, allocate: Allocate) -> GraphVectors:
    with open(path, "rb") as file:
        dimension = file.readline().count(b"\t")
        if not dimension:
            raise UserError(f"{path}: line 1 is no name with numbers behind it, tabs between")
        count = 1 + sum(1 for _ in file)
        file.seek(0)
        matrix = allocate((count, dimension), np.float32)
        names: list[str] = []
        while lines := list(itertools.islice(file, max(BLOCK // dimension, 1))):
            row = len(names)
            found = [_named(path, number, line, dimension) for number, line in enumerate(lines, row + 1)]
            names += [name for name, _ in found]
            try:  # many lines at once; one by one only to find the bad one
                together = np.fromstring(b"\t".join(rest for _, rest in found), np.float32, sep="\t")
                matrix[row : len(names)] = together.reshape(-1, dimension)
            except ValueError:
                bad = next(i for i, (_, rest) in enumerate(found) if not are_numbers(rest.split(b"\t")))
                raise UserError(f"{path}:{row + bad + 1}: something after {found[bad][0]!r} is no number") from None
            forget_pages(matrix)
    relations: list[str] = []
    operators: list[str] = []
    sides: list[str] = []
    numbers: list[np.ndarray] = []
    if _beside(path).is_file():
        with open(_beside(path), encoding="utf-8") as text:
            for line in text:
                name, side, operator, _, _, *texts = line.rstrip("\n").split("\t")
                values = np.array(texts, np.float32)
                if sides and (relations[-1], operators[-1], sides[-1]) == (name, operator, side):
                    numbers[-1] = np.concatenate([numbers[-1], values])  # its next part
                else:
                    relations.append(name)
                    operators.append(operator)
                    sides.append(side)
                    numbers.append(values)
    tables = _tables(operators, sides, numbers)
    mine = [(name, op) for name, op, side in zip(relations, operators, sides) if side == SIDES[0]]
    vectors = GraphVectors(names, matrix)
    pairs = [(next(iter(vectors.types)),) * 2] * len(mine)
    names_of = [name for name, _ in mine], [op for _, op in mine]
    return GraphVectors(names, matrix, [], {}, names_of[0], pairs, names_of[1], tables)


def _named(path: Path, number: int, line: bytes, dimension: int) -> tuple[str, bytes]:
    """A line's name and the rest, which has to be of so many fields."""
    name, _, rest = line.rstrip(b"\r\n").partition(b"\t")
    fields = rest.count(b"\t") + bool(rest)
    if fields != dimension or not name:
        raise UserError(f"{path}:{number}: a name and {fields:,} numbers, expected {dimension:,}, tabs between")
    try:
        return name.decode(), rest
    except UnicodeDecodeError:
        raise UserError(f"{path}:{number}: the name {name!r} is not UTF-8: convert the file") from None


# -- Parquet ------------------------------------------------------------------------------------------------------


def _write_parquet(vectors: GraphVectors, path: Path) -> list[Path]:
    dimension = vectors.matrix.shape[1]
    kinds, titles = vectors.type_names(), vectors.titles or [""] * len(vectors.names)
    written = [path]
    config = {} if vectors.config is None else {"config": json.dumps(to_mapping(vectors.config))}
    if vectors.relations:
        written.append(_beside(path))
        text = dict.fromkeys(("relation", "head", "tail", "operator", "side"), pyarrow.string())
        schema = pyarrow.schema({**text, "numbers": pyarrow.list_(pyarrow.float32())}, config or None)
        with _replacing(written[1]) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
            for i, row in enumerate(vectors.rows_of_relations()):
                both = vectors.parameters(i, row)
                mine = [vectors.relations[i], *vectors.sides[i], vectors.operators[i]]
                columns: dict[str, Any] = {name: [value] * 2 for name, value in zip(text, mine)}
                columns |= {"side": list(SIDES), "numbers": list(both)}
                writer.write_table(pyarrow.table(columns, schema))
    text = dict.fromkeys(("name", "title", "type"), pyarrow.string())
    schema = pyarrow.schema({**text, "vector": pyarrow.list_(pyarrow.float32(), dimension)}, config or None)
    with _replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for piece in pieces(vectors.matrix):
            flat = pyarrow.array(np.ascontiguousarray(vectors.matrix[piece], np.float32).ravel())
            rows = pyarrow.FixedSizeListArray.from_arrays(flat, dimension)
            columns = {"name": vectors.names[piece], "title": titles[piece], "type": kinds[piece], "vector": rows}
            writer.write_table(pyarrow.table(columns, schema))
            forget_pages(vectors.matrix)
    return written


def _read_parquet(path: Path, allocate: Allocate) -> GraphVectors:
    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        if "name" not in schema.names or "vector" not in schema.names:
            raise UserError(f"{path} has the columns {', '.join(schema.names)}: it needs name and vector")
        names: list[str] = []
        columns: dict[str, list[str]] = {"title": [], "type": []}
        matrix: np.ndarray | None = None
        for batch in file.iter_batches(1 << 14):
            vectors = batch.column("vector")
            width = len(vectors.flatten()) // max(len(vectors), 1)
            if vectors.null_count or any(length != width for length in vectors.value_lengths().unique().to_pylist()):
                raise UserError(f"{path}: vectors after row {len(names):,} are not all of {width:,} numbers")
            if matrix is None:
                matrix = allocate((file.metadata.num_rows, width), np.float32)
            values = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
            matrix[len(names) : len(names) + len(vectors)] = values.reshape(-1, matrix.shape[1])
            forget_pages(matrix)
            names += batch.column("name").to_pylist()
            for key, found in columns.items():
                found += batch.column(key).to_pylist() if key in schema.names else []
        config = (schema.metadata or {}).get(b"config")
    if matrix is None:
        raise UserError(f"{path} has no row")
    types = dict.fromkeys(columns["type"], 0)
    for kind in columns["type"]:
        types[kind] += 1
    if [kind for kind, count in types.items() for _ in range(count)] != columns["type"]:
        raise UserError(f"{path}: the rows of a type must stand together: sort the file by its column type")
    relations, sides, operators, tables = _read_parquet_relations(_beside(path))
    mine = None if config is None else from_mapping(EmbedConfig, json.loads(config))
    titles = columns["title"] if any(columns["title"]) else []
    return GraphVectors(names, matrix, titles, types, relations, sides, operators, tables, mine)


def _read_parquet_relations(path: Path) -> tuple[list[str], list[tuple[str, str]], list[str], dict[str, np.ndarray]]:
    if not path.is_file():
        return [], [], [], {}
    rows = parquet.read_table(path).to_pylist()
    numbers = [np.array(row["numbers"], np.float32) for row in rows]
    tables = _tables([row["operator"] for row in rows], [row["side"] for row in rows], numbers)
    firsts = [row for row in rows if row["side"] == SIDES[0]]
    sides = [(row["head"], row["tail"]) for row in firsts]
    return [row["relation"] for row in firsts], sides, [row["operator"] for row in firsts], tables


# -- safetensors --------------------------------------------------------------------------------------------------


def _write_safetensors(vectors: GraphVectors, path: Path) -> list[Path]:
    details = {
        "types": dict(vectors.types),
        "relations": vectors.relations,
        "sides": vectors.sides,
        "operators": vectors.operators,
        "config": None if vectors.config is None else to_mapping(vectors.config),
    }
    arrays = {"entities": np.asarray(vectors.matrix), **_packed("names", vectors.names)}
    arrays |= {"details": np.frombuffer(json.dumps(details).encode(), np.uint8)}
    arrays |= _packed("titles", vectors.titles) if vectors.titles else {}
    arrays |= {f"relations.{operator}": table for operator, table in vectors.tables.items()}
    with _replacing(path) as temporary, open(temporary, "wb") as file:
        array_file.write(file, arrays)
    return [path]


def _packed(name: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Texts as UTF-8 bytes, one after another, and where each ends."""
    coded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in coded], dtype=np.int64)
    return {f"{name}.utf8": np.frombuffer(b"".join(coded), np.uint8), f"{name}.ends": ends}


def _unpacked(name: str, arrays: Mapping[str, np.ndarray]) -> Sequence[str]:
    data, ends = arrays[f"{name}.utf8"].tobytes(), arrays[f"{name}.ends"].tolist()
    return [data[start:end].decode() for start, end in zip([0, *ends], ends)]


def _read_safetensors(path: Path, allocate: Allocate) -> GraphVectors:
    arrays = array_file.mapped(path)
    if not {"entities", "names.utf8", "names.ends", "details"} <= set(arrays):
        raise UserError(f"{path} has the arrays {', '.join(sorted(arrays))}: it was not written by graphkit export")
    details = json.loads(arrays["details"].tobytes())
    config = None if details["config"] is None else from_mapping(EmbedConfig, details["config"])
    titles = _unpacked("titles", arrays) if "titles.utf8" in arrays else []
    tables = {op: np.array(arrays[f"relations.{op}"]) for op in dict.fromkeys(details["operators"])}
    sides = [(head, tail) for head, tail in details["sides"]]
    names, operators = _unpacked("names", arrays), details["operators"]
    matrix = arrays["entities"]
    return GraphVectors(
        names, matrix, titles, details["types"], details["relations"], sides, operators, tables, config
    )


def _read_folder(folder: Path) -> GraphVectors:
    arrays, columns, details = read_vectors(folder, "graph_embedding", mapped=True)
    config = from_mapping(EmbedConfig, details["config"])
    settings = details["settings"]
    operators = [settings.get(name, {}).get("operator") or config.operator for name in details["relations"]]
    tables = {op: np.array(arrays[f"relations.{op}"]) for op in dict.fromkeys(operators)}
    titles = columns["title"] if any(columns["title"]) else []
    sides = [(head, tail) for head, tail in details["sides"]]
    return GraphVectors(
        columns["name"],
        arrays["entities"],
        titles,
        details["types"],
        details["relations"],
        sides,
        operators,
        tables,
        config,
    )
