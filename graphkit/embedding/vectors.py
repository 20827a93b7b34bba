"""GraphVectors: what is left of a trained graph embedding without its graph, as other programs give and take it.

Formats hold names, vectors and perhaps what relations do; the edges they were learned from are elsewhere. So this is
what `graphkit.embedding.formats` writes and reads, what a warm start begins with, and, with a graph beside it, a
`GraphEmbedding` again.

Axes: N entities of D numbers, R relations, n of them with an operator, W numbers of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from graphkit.embedding.config import EmbedConfig, RelationConfig
from graphkit.graphs.graph import ONE_TYPE, Graph
from neuralcore.errors import UserError
from neuralcore.mapped import forget_pages

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding

PIECE = 1 << 24  # bytes of a table that are looked at at once


class Parameter(NamedTuple):
    """A part of a relation's numbers.

    Attributes:
        name: as PyTorch-BigGraph calls it where all relations lie in one array. single: where each has its own.
        shape: of one relation's.
    """

    name: str
    single: str
    shape: tuple[int, ...]


def parameters_of(operator: str, dimension: int) -> list[Parameter]:
    """The parts of a relation's W numbers, in their order."""
    matrix = Parameter("linear_transformations", "linear_transformation", (dimension, dimension))
    shift = Parameter("translations", "translation", (dimension,))
    half = (dimension // 2,)
    return {
        "identity": [],
        "translation": [shift],
        "diagonal": [Parameter("diagonals", "diagonal", (dimension,))],
        "complex_diagonal": [Parameter("real", "real", half), Parameter("imag", "imag", half)],
        "rotation": [Parameter("angles", "angles", half)],
        "linear": [matrix],
        "affine": [matrix, shift],
    }[operator]


@dataclass(frozen=True)
class GraphVectors:
    """Named vectors and relations.

    Attributes:
        names: N, each once in its type. matrix: (N, D) float32, perhaps in a mapped file.
        titles: N readable names ("" for none), or empty.
        types: type -> how many entities, in their order.
        relations: R names. sides: their heads' and tails' types. operators: R names of operators.
        tables: operator -> (2 n, W) float32, its relations in order; row i serves (h, r, ?), row n + i (?, r, t).
        config: what scores are made by; None where that is not known.
    """

    names: Sequence[str]
    matrix: np.ndarray
    titles: Sequence[str] = field(default_factory=list)
    types: Mapping[str, int] = field(default_factory=dict)
    relations: list[str] = field(default_factory=list)
    sides: list[tuple[str, str]] = field(default_factory=list)
    operators: list[str] = field(default_factory=list)
    tables: Mapping[str, np.ndarray] = field(default_factory=dict)
    config: EmbedConfig | None = None

    def __post_init__(self) -> None:
        if not self.types:
            object.__setattr__(self, "types", {ONE_TYPE: len(self.names)})

    @classmethod
    def of(cls, embedding: GraphEmbedding) -> GraphVectors:
        """Those of a trained embedding, nothing copied."""
        graph = embedding.graph
        tables = {name: table.weight for name, table in embedding.tables.items()}
        return cls(
            graph.entities,
            embedding.matrix,
            graph.titles,
            graph.types,
            graph.relations,
            graph.sides,
            embedding.operators,
            tables,
            embedding.config,
        )

    def type_names(self) -> list[str]:
        """N names: the type of each entity."""
        return [name for name, count in self.types.items() for _ in range(count)]

    def rows_of_relations(self) -> list[int]:
        """R rows: where each relation lies in its operator's table."""
        seen: dict[str, int] = {}
        rows = []
        for operator in self.operators:
            rows.append(seen.get(operator, 0))
            seen[operator] = rows[-1] + 1
        return rows

    def parameters(self, relation: int, row: int) -> np.ndarray:
        """(2, W) of one relation, at `row` of its operator's table."""
        table = self.tables[self.operators[relation]]
        return table[[row, row + len(table) // 2]]

    def embedding(self, graph: Graph) -> GraphEmbedding:
        """These vectors as the embedding of a graph, found by their names.

        Raises:
            UserError: the graph has an entity or a relation that is not here, or how to score is not known.
        """
        from graphkit.embedding.embedding import GraphEmbedding
        from graphkit.embedding.relation_classes import RelationTable

        if self.config is None:
            raise UserError("these vectors do not say how they are compared, so no edge can be scored with them")
        rows = self.rows_in(graph.entities, graph.types)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            raise UserError(f"there is no vector of {graph.entities[missing[0]]!r}, and {len(missing) - 1:,} others")
        place = {name: i for i, name in enumerate(self.relations)}
        for name in graph.relations:
            if name not in place:
                raise UserError(f"there are no numbers for the relation {name!r} that serve both its sides")
        mine = [self.operators[place[name]] for name in graph.relations]
        settings = {name: RelationConfig(operator=op) for name, op in zip(graph.relations, mine)}  # type: ignore[arg-type]
        embedding = GraphEmbedding(graph, self.config, relations=settings)
        embedding.matrix = np.asarray(self.matrix[rows])
        at = self.rows_of_relations()
        embedding.tables = {}
        for operator in dict.fromkeys(mine):
            found = [
                self.parameters(place[n], at[place[n]]) for n, op in zip(graph.relations, mine) if op == operator
            ]
            weight = np.ascontiguousarray(np.stack(found, axis=1).reshape(2 * len(found), -1))
            embedding.tables[operator] = RelationTable(weight, np.zeros_like(weight))
        return embedding

    def rows_in(self, names: Sequence[str], types: Mapping[str, int]) -> np.ndarray:
        """(M,) int64: of M names, types one after another, the row of each here, -1 where it is not.

        A name is looked for in its own type; where either side knows of one type only, by the name alone.
        """
        rows: dict[tuple[str, str], int] = {}
        by_type = len(self.types) > 1 and len(types) > 1
        for row, (kind, name) in enumerate(zip(self.type_names(), self.names)):
            rows.setdefault((kind if by_type else "", name), row)
        wanted = [name for name, count in types.items() for _ in range(count)]
        found = (rows.get((kind if by_type else "", name), -1) for kind, name in zip(wanted, names))
        return np.fromiter(found, np.int64, len(names))


def pieces(matrix: np.ndarray) -> list[slice]:
    """Stretches of rows that fit in memory; after each of them `forget_pages` is called by who reads them all."""
    rows = max(1, PIECE // max(4 * math.prod(matrix.shape[1:]), 1))
    return [slice(start, min(start + rows, len(matrix))) for start in range(0, len(matrix), rows)]


def check(where: str, vectors: GraphVectors) -> GraphVectors:
    """The vectors, if names are there once in their type and all numbers are finite.

    Raises:
        UserError: they are not; `where` begins the message.
    """
    seen: set[str] = set()
    start = 0
    for kind, count in vectors.types.items():
        seen.clear()
        for row in range(start, start + count):
            if vectors.names[row] in seen:
                raise UserError(f"{where}: the name {vectors.names[row]!r} is there twice among {kind}: take one out")
            seen.add(vectors.names[row])
        start += count
    if start != len(vectors.names) or len(vectors.matrix) != len(vectors.names):
        raise UserError(f"{where}: {len(vectors.matrix):,} vectors, {len(vectors.names):,} names, types of {start:,}")
    for piece in pieces(vectors.matrix):
        finite = np.isfinite(vectors.matrix[piece]).all(axis=1)
        if not finite.all():
            name = vectors.names[piece.start + int(finite.argmin())]
            raise UserError(f"{where}: the vector of {name!r} has NaN or infinity")
        forget_pages(vectors.matrix)
    for operator, table in vectors.tables.items():
        if not np.isfinite(table).all():
            raise UserError(f"{where}: the numbers of the {operator} relations have NaN or infinity")
    return vectors
