"""Vectors of graphs as other programs write and read them.

| format | name | what is in it |
|---|---|---|
| word2vec | .txt, .vec (also .gz, .xz) | word2vec's text format: names without white space, vectors |
| tsv | .tsv | name<TAB>numbers, as PyTorch-BigGraph exports them; relations in <name>.relations.tsv |
| parquet | .parquet | columns name, title, type, vector; relations in <name>.relations.parquet |
| safetensors | .safetensors | all of it in one file of arrays; names as UTF-8 bytes and where each ends |
| biggraph | a folder | PyTorch-BigGraph's checkpoint, see `graphkit.embedding.bigraph_format` (extra hdf5) |

Tables are written and read in pieces, and a file is there when it is whole. Numbers in text have the digits that give
the same float32 back. A name that a format cannot hold is refused, never changed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from graphkit.embedding.bigraph_format import is_bigraph, read_bigraph, write_bigraph
from graphkit.embedding.config import EmbedConfig
from graphkit.embedding.format_files import SIDES, Allocate, beside, replacing, tables
from graphkit.embedding.parquet_format import read_parquet, write_parquet
from graphkit.embedding.vectors import GraphVectors, Parameter, check, parameters_of, pieces
from graphkit.vectors_folder import read_vectors
from graphkit.words.formats import are_numbers, read_word2vec, write_word2vec
from neuralcore import array_file
from neuralcore.config import from_mapping, to_mapping
from neuralcore.errors import UserError
from neuralcore.mapped import forget_pages

Format = Literal["word2vec", "tsv", "parquet", "safetensors", "biggraph"]
SUFFIXES: dict[str, Format] = {
    ".txt": "word2vec",
    ".vec": "word2vec",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".safetensors": "safetensors",
}
BLOCK = 1 << 20  # numbers of text at once


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
    return {"tsv": _write_tsv, "parquet": write_parquet, "safetensors": _write_safetensors}[form](vectors, path)


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
        readers = {"tsv": _read_tsv, "parquet": read_parquet, "safetensors": _read_safetensors}
        try:
            return check(str(path), readers[form](path, allocate))
        except (OSError, ValueError, KeyError, TypeError) as error:  # Arrow's errors are among them
            raise UserError(f"{path} cannot be read as {form}: {error}") from None
    names, matrix = read_word2vec(path, allocate)
    return GraphVectors(names, matrix)


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
        written.append(beside(path))
        with replacing(written[1]) as temporary, open(temporary, "wb") as file:
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
    with replacing(path) as temporary, open(temporary, "wb") as file:
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
    if beside(path).is_file():
        with open(beside(path), encoding="utf-8") as text:
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
    found_tables = tables(operators, sides, numbers)
    mine = [(name, op) for name, op, side in zip(relations, operators, sides) if side == SIDES[0]]
    vectors = GraphVectors(names, matrix)
    pairs = [(next(iter(vectors.types)),) * 2] * len(mine)
    names_of = [name for name, _ in mine], [op for _, op in mine]
    return GraphVectors(names, matrix, [], {}, names_of[0], pairs, names_of[1], found_tables)


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
    with replacing(path) as temporary, open(temporary, "wb") as file:
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
