"""Features of entities as a config names them: read from files, for the entities of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from graphkit.embedding.config import EmbedConfig, FeatureConfig
from graphkit.embedding.features import Features
from graphkit.embedding.formats import read
from graphkit.embedding.vectors import GraphVectors
from graphkit.graphs.features import Bags, Dense
from graphkit.graphs.graph import Graph
from graphkit.vectors_folder import kind_of
from neuralcore.errors import UserError, nearest
from neuralcore.message_passing.neighbour_encoder import NeighbourEncoder
from neuralcore.seeding import seeded_torch


def read_features(
    graph: Graph, features: Mapping[str, Features | FeatureConfig], config: EmbedConfig, seed: int
) -> dict[str, Features]:
    """What is known of a graph's entities, by type; read from files where those are named.

    Args:
        seed: of the first weights of encoders that a config names.

    Raises:
        UserError: no such type, features of another number of entities, the config cannot have any, or a file is not
            there, not as it should be, or has nothing of these entities.
    """
    if features and config.comparator == "poincare":
        raise UserError("poincare has vectors in the unit ball, which encoders leave: take another comparator")
    found = {}
    for kind, mine in features.items():
        if kind not in graph.types:
            raise UserError(f"there are features of {kind!r}, but no such type: {nearest(kind, graph.types)}")
        found[kind] = mine if isinstance(mine, Features) else _read(mine, graph, kind, config.dimension, seed)
        count = len(found[kind].source)
        if count != graph.types[kind]:
            raise UserError(f"features of {count:,} {kind}, of which the graph has {graph.types[kind]:,}")
    return found


def _read(config: FeatureConfig, graph: Graph, kind: str, dimension: int, seed: int) -> Features:
    mine = graph.rows_of(kind)
    entities = graph.entities[mine.start : mine.stop]
    source: Bags | Dense
    if config.bags:
        source = Bags.read(config.bags, entities, config.min_count)
    else:
        vectors = _named_vectors(Path(config.dense))
        rows = vectors.rows_in(entities, {kind: len(entities)})
        if (rows < 0).all():
            raise UserError(f"{config.dense} has no vector of any {kind}: are the names the same?")
        source = Dense(np.where((rows >= 0)[:, None], vectors.matrix[rows], np.float32(0.0)))
    encoder: NeighbourEncoder | None = None
    if config.neighbours is not None:
        known = len(source.names) if isinstance(source, Bags) else source.matrix.shape[1]
        with seeded_torch(seed, f"neighbours {kind}"):
            encoder = NeighbourEncoder(
                known, dimension, tags=isinstance(source, Bags), layer=config.neighbours, hops=config.hops
            )
    return Features(source, config.row, encoder, config.learning_rate)


def _named_vectors(path: Path) -> GraphVectors:
    place = path if (path / "manifest.json").is_file() else path / "vectors"
    if kind_of(place) == "word_vectors":
        from graphkit.words.vectors import WordVectors

        words = WordVectors.load(place)
        return GraphVectors(words.words, np.asarray(words.matrix))
    return read(path)
