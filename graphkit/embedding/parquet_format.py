"""Vectors of graphs as Parquet: a row each, and the relations in a file beside.

    <name>.parquet            name, title, type: string; vector: fixed-size list of D float32
    <name>.relations.parquet  relation, head, tail, operator, side: string; numbers: list of W float32; two rows each

The settings by which vectors are compared are in the schema's metadata, as JSON. Of others' files, name and vector
are enough.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.embedding.config import EmbedConfig
from graphkit.embedding.format_files import SIDES, Allocate, beside, replacing, tables
from graphkit.embedding.vectors import GraphVectors, pieces
from neuralcore.config import from_mapping, to_mapping
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from neuralcore.mapped import forget_pages

pyarrow = lazy_import("pyarrow")
parquet = lazy_import("pyarrow.parquet")


def write_parquet(vectors: GraphVectors, path: Path) -> list[Path]:
    dimension = vectors.matrix.shape[1]
    kinds, titles = vectors.type_names(), vectors.titles or [""] * len(vectors.names)
    written = [path]
    config = {} if vectors.config is None else {"config": json.dumps(to_mapping(vectors.config))}
    if vectors.relations:
        written.append(beside(path))
        text = dict.fromkeys(("relation", "head", "tail", "operator", "side"), pyarrow.string())
        schema = pyarrow.schema({**text, "numbers": pyarrow.list_(pyarrow.float32())}, config or None)
        with replacing(written[1]) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
            for i, row in enumerate(vectors.rows_of_relations()):
                both = vectors.parameters(i, row)
                mine = [vectors.relations[i], *vectors.sides[i], vectors.operators[i]]
                columns: dict[str, Any] = {name: [value] * 2 for name, value in zip(text, mine)}
                columns |= {"side": list(SIDES), "numbers": list(both)}
                writer.write_table(pyarrow.table(columns, schema))
    text = dict.fromkeys(("name", "title", "type"), pyarrow.string())
    schema = pyarrow.schema({**text, "vector": pyarrow.list_(pyarrow.float32(), dimension)}, config or None)
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for piece in pieces(vectors.matrix):
            flat = pyarrow.array(np.ascontiguousarray(vectors.matrix[piece], np.float32).ravel())
            rows = pyarrow.FixedSizeListArray.from_arrays(flat, dimension)
            columns = {"name": vectors.names[piece], "title": titles[piece], "type": kinds[piece], "vector": rows}
            writer.write_table(pyarrow.table(columns, schema))
            forget_pages(vectors.matrix)
    return written


def read_parquet(path: Path, allocate: Allocate) -> GraphVectors:
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
    relations, sides, operators, numbers = _read_relations(beside(path))
    mine = None if config is None else from_mapping(EmbedConfig, json.loads(config))
    titles = columns["title"] if any(columns["title"]) else []
    return GraphVectors(names, matrix, titles, types, relations, sides, operators, numbers, mine)


def _read_relations(path: Path) -> tuple[list[str], list[tuple[str, str]], list[str], dict[str, np.ndarray]]:
    if not path.is_file():
        return [], [], [], {}
    rows = parquet.read_table(path).to_pylist()
    numbers = [np.array(row["numbers"], np.float32) for row in rows]
    found = tables([row["operator"] for row in rows], [row["side"] for row in rows], numbers)
    firsts = [row for row in rows if row["side"] == SIDES[0]]
    sides = [(row["head"], row["tail"]) for row in firsts]
    return [row["relation"] for row in firsts], sides, [row["operator"] for row in firsts], found
