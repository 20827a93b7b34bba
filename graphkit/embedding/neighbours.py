"""Features of entities together with those around them, for encoders that look along the edges of the graph.

An entity's vector is then made of its own features and of its neighbours', by a
`neuralcore.message_passing.neighbour_encoder.NeighbourEncoder`. What is gone along are the training edges between
entities of the type, of any relation and in either direction. An edge that a step asks for is not gone along in that
step: else its answer would stand in what is given, which it does not in use.

Axes: n entities of a type, B of them in a step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from graphkit.graphs.features import Bags, Dense
from graphkit.graphs.graph import Graph
from neuralcore.message_passing.neighbour_encoder import NeighbourEncoder
from neuralcore.message_passing.neighbourhood import blocks_around, neighbour_lists


@dataclass(frozen=True)
class Neighbourhoods:
    """Features of some entities and of all those around them.

    Attributes:
        source: of all n entities. offsets, neighbours: (n + 1,) and (M,) int64, who is next to whom.
        rows: (B,) int64, the entities asked for. apart: (A, 2) edges that are not gone along.
    """

    source: Bags | Dense
    offsets: np.ndarray
    neighbours: np.ndarray
    rows: np.ndarray
    apart: np.ndarray | None = None

    @classmethod
    def of(cls, source: Bags | Dense, graph: Graph, entities: range) -> Neighbourhoods:
        """Of all entities of a type."""
        edges = graph.train[:, [0, 2]]
        inside = ((edges >= entities.start) & (edges < entities.stop)).all(1)
        offsets, neighbours = neighbour_lists(edges[inside] - entities.start, len(entities))
        return cls(source, offsets, neighbours, np.arange(len(entities)))

    @classmethod
    def alone(cls, source: Bags | Dense) -> Neighbourhoods:
        """Of entities without edges."""
        return cls(source, np.zeros(len(source) + 1, np.int64), np.zeros(0, np.int64), np.arange(len(source)))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: np.ndarray) -> Neighbourhoods:
        """Of some of all entities."""
        return replace(self, rows=rows)

    def without(self, edges: np.ndarray) -> Neighbourhoods:
        """The same with edges (A, 2) that are not gone along."""
        return replace(self, apart=edges)

    def inputs(self, encoder: NeighbourEncoder, generator: np.random.Generator | None) -> list[Any]:
        """What the encoder is called with; `generator` draws neighbours, None takes all."""
        entities, blocks = blocks_around(
            self.offsets,
            self.neighbours,
            self.rows,
            encoder.hops,
            most=None if generator is None else encoder.most,
            apart=self.apart,
            generator=generator,
        )
        return [arguments(self.source.take(entities)), [(torch.from_numpy(b.ends), b.inside) for b in blocks]]

    def digest(self) -> str:
        """SHA-256 of the features and of who is next to whom."""
        hashed = hashlib.sha256(self.source.digest().encode())
        for part in (self.offsets, self.neighbours):
            hashed.update(np.ascontiguousarray(part).data)
        return hashed.hexdigest()


def arguments(features: Bags | Dense) -> Sequence[torch.Tensor]:
    """What a module is called with: (B, F) numbers, or tags (M,), offsets (B,) and weights (M,)."""
    if isinstance(features, Dense):
        return [torch.from_numpy(np.ascontiguousarray(features.matrix))]
    parts = features.indices, features.offsets[:-1], features.weights
    return [torch.from_numpy(np.ascontiguousarray(part)) for part in parts]
