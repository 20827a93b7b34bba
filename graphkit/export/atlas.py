"""A Parquet file for Apple's Embedding Atlas (Ren et al. 2025, https://arxiv.org/abs/2505.06386).

    embedding-atlas FILE --text text --x projection_x --y projection_y --neighbors neighbors

    name, title               strings
    text                      what is read and searched for there: a document's text, else the title, else the name
    projection_x, …_y         float32: where the row lies in the plane
    neighbors                 {ids: list of int64, distances: list of float32}: numbers of the nearest rows, from 0,
                              the nearest first, and 1 - the cosine
    vector                    fixed-size list of D float32
    and a column for each attribute

In the plane and among neighbours rows count at length one; a row of zeros lies with its numbers and has no neighbour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from graphkit.embedding.format_files import replacing
from graphkit.embedding.vectors import pieces
from graphkit.export.sources import Source
from graphkit.tsne import LARGEST, principal_components, tsne
from graphkit.tsne_many import MOST, tsne_of_many
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from neuralcore.mapped import forget_pages

pyarrow = lazy_import("pyarrow")
parquet = lazy_import("pyarrow.parquet")

Layout = Literal["pca", "tsne"]
COLUMNS = ("name", "title", "text", "projection_x", "projection_y", "neighbors", "vector")


def write_atlas(source: Source, path: Path, layout: Layout = "pca", neighbors: int = 10) -> list[Path]:
    """Write the file; returns it.

    Args:
        layout: what the plane is: the two principal components, or t-SNE (of up to 200,000 rows).
        neighbors: how many nearest rows of each are written; 0 for none, and no such column.

    Raises:
        UserError: too many rows for t-SNE, an attribute has the name of a column, or it cannot be written; what was
            there is intact.
    """
    if clash := next((name for name in source.attributes if name in COLUMNS), None):
        raise UserError(f"{path}: an attribute is called {clash!r}, as a column of the file is: rename it")
    names, matrix = source.vectors.names, source.vectors.matrix
    if layout == "tsne" and len(matrix) > MOST:
        raise UserError(f"t-SNE lays out up to {MOST:,} rows, here are {len(matrix):,}: leave --layout out")
    if neighbors < 0:
        raise UserError(f"{neighbors} neighbours: 0 or more")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit = (matrix / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    if layout == "pca":
        points = principal_components(unit)[0].astype(np.float32)
    else:
        points = (tsne if len(unit) <= LARGEST else tsne_of_many)(unit)[0].astype(np.float32)
    titles = source.vectors.titles or [""] * len(names)
    columns: dict[str, Any] = {"name": pyarrow.array(names, pyarrow.string())}
    if source.vectors.titles:
        columns["title"] = pyarrow.array(titles, pyarrow.string())
    texts = source.texts or [title or name for title, name in zip(titles, names)]
    columns["text"] = pyarrow.array(texts, pyarrow.string())
    columns |= {"projection_x": pyarrow.array(points[:, 0]), "projection_y": pyarrow.array(points[:, 1])}
    if neighbors:
        columns["neighbors"] = _neighbors(unit, neighbors)
    columns |= _attributes(source.attributes)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        kinds = {name: column.type for name, column in columns.items()}
        schema = pyarrow.schema({**kinds, "vector": pyarrow.list_(pyarrow.float32(), matrix.shape[1])})
        with parquet.ParquetWriter(file, schema) as writer:
            for piece in pieces(matrix):
                flat = pyarrow.array(np.ascontiguousarray(matrix[piece], np.float32).ravel())
                rows = {name: column[piece.start : piece.stop] for name, column in columns.items()}
                rows["vector"] = pyarrow.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
                writer.write_table(pyarrow.table(rows, schema))
                forget_pages(matrix)
    return [path]


def _attributes(attributes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    return {name: pyarrow.array(values) for name, values in attributes.items()}


def _neighbors(unit: np.ndarray, count: int) -> Any:
    """(N,) structs: the `count` nearest other rows of each that is not zero, by an index as the search's."""
    from graphkit.search.index import SearchIndex

    known = np.flatnonzero(unit.any(axis=1))
    ids = [np.zeros(0, np.int64)] * len(unit)
    distances = [np.zeros(0, np.float32)] * len(unit)
    if len(known):
        index = SearchIndex.build(unit[known], [str(row) for row in known.tolist()])
        for start in range(0, len(known), 1024):
            some = known[start : start + 1024]
            for row, found in zip(some.tolist(), index.search(unit[some], count + 1)):
                mine = [(int(match.name), match.score) for match in found if int(match.name) != row][:count]
                ids[row] = np.array([other for other, _ in mine], np.int64)
                distances[row] = np.array([1 - score for _, score in mine], np.float32).clip(min=0)
    kinds = pyarrow.list_(pyarrow.int64()), pyarrow.list_(pyarrow.float32())
    arrays = [pyarrow.array(lists, kind) for lists, kind in zip((ids, distances), kinds)]
    return pyarrow.StructArray.from_arrays(arrays, ["ids", "distances"])
