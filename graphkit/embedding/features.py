"""Entities with features: their vectors are made of what is known of them, beside or instead of a learned row.

    x_e = row_e + encoder(features_e),    or encoder(features_e) alone

A step (`FeatureEncoders.step`) encodes each entity that takes part once, has op `edge_gradient` say how these vectors
should change, and hands that on to the rows and to the encoder, each of which makes a step of its own. Regularisers
are of the whole vector.

Rows begin at 0, so an entity that has no edge is where its features put it; rows of those of which nothing is known
begin as in any training. Features stay in memory for all entities, also where rows are partitioned; a type without
rows has its places in the shards all the same, with zeros in them.

What an encoder is: `graphkit.embedding.encoders`. Axes: N entities of D numbers, U of them in a step, B questions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from graphkit.embedding.config import EmbedConfig
from graphkit.embedding.encoders import Encoder, Known, ModuleEncoder, ScaledLinear, TagTable
from graphkit.embedding.neighbours import Neighbourhoods
from graphkit.embedding.partition import Partition
from graphkit.embedding.questions import Batch
from graphkit.embedding.relation_classes import RelationTable
from graphkit.embedding.shards import Shards
from graphkit.graphs.features import Bags, Dense
from graphkit.graphs.graph import Graph
from graphkit.graphs.names import Names
from neuralcore.checkpoint import Shard
from neuralcore.device import one_thread_each
from neuralcore.errors import UserError, nearest
from neuralcore.kernels.edge_gradient import Scoring, edge_gradient
from neuralcore.kernels.edge_step import EPSILON
from neuralcore.kernels.edge_step.cpu import adagrad
from neuralcore.kernels.row_adagrad import row_adagrad
from neuralcore.mapped import forget_pages
from neuralcore.message_passing.neighbour_encoder import NeighbourEncoder

PIECE = 4096  # entities encoded at once, when all of them are


@dataclass(frozen=True)
class Features:
    """Features of the entities of one type, and what is made of them.

    Attributes:
        source: of each entity, in the graph's order. row: whether each has a learned row beside.
        encoder: a module, see `graphkit.embedding.encoders`; None: a vector for each tag of bags, a linear map of
            dense features. learning_rate: of the encoder; None: the config's.
    """

    source: Bags | Dense
    row: bool = True
    encoder: torch.nn.Module | None = None
    learning_rate: float | None = None

    def __str__(self) -> str:
        return f"{self.source}; {int((~self.source.known).sum()):,} of {len(self.source):,} without"


@dataclass
class Encoded:
    """A type whose entities are encoded.

    Attributes:
        kind: its name. entities: their numbers. source: their features, weights of bags adding up to 1; after `load`,
            of no entity. row: whether they have rows. encoder: None for a module that `load` was not given.
        own: whether the encoder is the user's module. arrays: of an encoder that is None.
        around: where the encoder looks along edges, the features with those of neighbours.
    """

    kind: str
    entities: range
    source: Bags | Dense
    row: bool
    encoder: Encoder | None
    own: bool
    learning_rate: float = 0.0
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    around: Neighbourhoods | None = None

    def of(self, rows: np.ndarray) -> Known:
        """What is known of some of the type's entities (B,), counted from its first."""
        return (self.around or self.source).take(rows)

    def among(self, entities: np.ndarray) -> np.ndarray:
        """Where in a list of entities (U,) this type's are."""
        return np.flatnonzero((entities >= self.entities.start) & (entities < self.entities.stop))

    def encode(self, features: Sequence[Iterable[str]] | np.ndarray) -> np.ndarray:
        """(B, D) of new entities; see `GraphEmbedding.encode`."""
        if self.encoder is None:
            raise UserError(
                f"the encoder of {self.kind} is a module: pass it, load(…, encoders={{{self.kind!r}: …}})"
            )
        if isinstance(self.source, Bags):
            new: Bags | Dense = self.source.named(features).means()
        else:
            new = Dense(np.asarray(features))
            wanted, found = self.source.matrix.shape[1], new.matrix.shape[1]
            if found != wanted:
                raise UserError(f"features of {self.kind} are {wanted} numbers, not {found}")
        looks_around = isinstance(getattr(self.encoder, "module", None), NeighbourEncoder)
        return _one_thread(self.encoder.vectors, Neighbourhoods.alone(new) if looks_around else new)


class FeatureEncoders:
    """The encoders of a training, and the step that trains them.

    Args:
        graph, config, seed, partition: of the training. features: see `read_features`.
    """

    def __init__(
        self, graph: Graph, features: Mapping[str, Features], config: EmbedConfig, seed: int, partition: Partition
    ):
        self.partition, self.learning_rate = partition, config.learning_rate
        self.parts: list[Encoded] = []
        for i, (kind, mine) in enumerate(features.items()):
            generator, source = np.random.default_rng([seed, 4, i]), mine.source
            encoder: Encoder
            if mine.encoder is not None:
                encoder = ModuleEncoder(mine.encoder, config.dimension, seed)
            elif isinstance(source, Dense):
                linear = ScaledLinear.begin(source, config.dimension, config.init_scale, generator)
                encoder = ModuleEncoder(linear, config.dimension, seed)
            else:
                encoder = TagTable.begin(len(source.names), config.dimension, config.init_scale, generator)
            if isinstance(source, Bags):
                source = source.means()
            rate = mine.learning_rate or config.learning_rate
            part = Encoded(kind, graph.rows_of(kind), source, mine.row, encoder, mine.encoder is not None, rate)
            if isinstance(mine.encoder, NeighbourEncoder):
                part.around = Neighbourhoods.of(source, graph, part.entities)
            self.parts.append(part)
        self.digest = self._hash()
        self._entity_at: np.ndarray | None = None
        if partition.shards > 1:
            self._entity_at = np.full(partition.shards * partition.capacity, -1)
            self._entity_at[partition.places()] = np.arange(partition.entities)

    def _hash(self) -> str:
        """Of the features, and of how the encoders begin."""
        hashed = hashlib.sha256()
        for part in self.parts:
            assert part.encoder is not None
            hashed.update(f"{part.kind} {part.row} {(part.around or part.source).digest()}".encode())
            for name, array in part.encoder.arrays().items():
                hashed.update(f"{name} {array.shape}".encode() + array.tobytes())
        return hashed.hexdigest()

    def begin_at_zero(self, entities: np.ndarray) -> np.ndarray:
        """(U,) bool: whose rows are 0 at first, see the file's docstring; or always, where there are none."""
        found = self.without_row(entities)
        for part in self.parts:
            places = part.among(entities)
            found[places] |= part.source.known[entities[places] - part.entities.start]
        return found

    def without_row(self, entities: np.ndarray) -> np.ndarray:
        """(U,) bool: of which entities the features are all there is."""
        found = np.zeros(len(entities), bool)
        for part in self.parts:
            if not part.row:
                found[part.among(entities)] = True
        return found

    def step(
        self,
        shards: Shards,
        relations: RelationTable,
        batch: Batch,
        scoring: Scoring,
        times: float,
        map_parts: Callable[..., Iterable[Any]],
    ) -> float:
        """One step of rows, relations and encoders, of `times` their sizes; returns the summed loss before it."""
        table, state = shards.table.weight, shards.table.state
        assert state is not None
        given, candidates = batch.given, batch.candidates
        if candidates is None:
            rows = np.arange(len(table))
        else:
            rows = np.unique(np.concatenate([given, candidates]))
            given, candidates = np.searchsorted(rows, given), np.searchsorted(rows, candidates)
        entities = self._entities(shards, rows)
        vectors = table[rows]
        mine = []
        for part in self.parts:
            assert part.encoder is not None
            places = part.among(entities)
            if len(places):
                features = part.of(entities[places] - part.entities.start)
                if isinstance(features, Neighbourhoods):
                    features = features.without(_asked_edges(batch, rows, entities) - part.entities.start)
                vectors[places] += part.encoder.forward(features)
                mine.append((part, places))
        found = edge_gradient(
            vectors,
            relations.weight,
            given,
            batch.asked,
            candidates,
            batch.answers,
            scoring=scoring,
            map_parts=map_parts,
        )
        gradient = torch.zeros(vectors.shape)
        gradient.index_add_(0, torch.from_numpy(found.rows), torch.from_numpy(found.entities))
        each = gradient.numpy()
        learned = np.flatnonzero(~self.without_row(entities))
        row_adagrad(table, state, rows[learned], each[learned], times * self.learning_rate, epsilon=EPSILON)
        asked, of_relations = torch.from_numpy(found.relation_rows), torch.from_numpy(found.relations)
        weight, sums = torch.from_numpy(relations.weight), torch.from_numpy(relations.state)
        adagrad(weight, sums, of_relations, times * self.learning_rate, asked)
        for part, places in mine:
            assert part.encoder is not None
            part.encoder.backward(each[places], times * part.learning_rate)
        return found.loss

    def _entities(self, shards: Shards, rows: np.ndarray) -> np.ndarray:
        """Whose rows they are."""
        if self._entity_at is None:
            return rows
        capacity = self.partition.capacity
        return self._entity_at[np.array(shards.held)[rows // capacity] * capacity + rows % capacity]

    def vectors(self, shards: Shards, rows: np.ndarray) -> np.ndarray:
        """(U, D) rows of the slots' table with what is encoded."""
        entities, found = self._entities(shards, rows), shards.table.weight[rows]
        for part in self.parts:
            assert part.encoder is not None
            places = part.among(entities)
            if len(places):
                found[places] += part.encoder.vectors(part.of(entities[places] - part.entities.start))
        return found

    def add_to(self, matrix: np.ndarray) -> np.ndarray:
        """Add what is encoded to the rows (N, D) of all entities, in place."""
        for part in self.parts:
            assert part.encoder is not None
            for start in range(0, len(part.entities), PIECE):
                some = part.of(np.arange(start, min(start + PIECE, len(part.entities))))
                rows = part.entities[start : start + PIECE]
                matrix[rows.start : rows.stop] += _one_thread(part.encoder.vectors, some)
                forget_pages(matrix)
        return matrix

    def shards(self) -> Iterator[tuple[str, Shard]]:
        """What a checkpoint keeps."""
        for i, part in enumerate(self.parts):
            assert part.encoder is not None
            yield f"features_{i}", Shard(part.encoder.arrays())
            yield f"features_{i}_state", Shard(part.encoder.state())

    def restore(self, shards: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take what `shards` gave."""
        for i, part in enumerate(self.parts):
            assert part.encoder is not None
            part.encoder.restore(shards[f"features_{i}"], shards[f"features_{i}_state"])


def saved(parts: Sequence[Encoded]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Encoders as arrays and plain values, which `loaded` takes; features of the entities are not among them."""
    arrays: dict[str, np.ndarray] = {}
    details: dict[str, dict[str, Any]] = {}
    for i, part in enumerate(parts):
        learned = part.arrays if part.encoder is None else part.encoder.arrays()
        arrays |= {f"features.{i}.{name}": array for name, array in learned.items()}
        numbers = 0
        if isinstance(part.source, Bags):
            names = Names.of(part.source.names)
            arrays |= {f"tags.{i}.data": names.data, f"tags.{i}.offsets": names.offsets}
        else:
            numbers = part.source.matrix.shape[1]
        details[part.kind] = {"numbers": numbers, "row": part.row, "module": part.own}
        module = getattr(part.encoder, "module", None)
        if isinstance(module, NeighbourEncoder):
            details[part.kind]["neighbours"] = module.description
    return arrays, details


def loaded(
    graph: Graph,
    arrays: Mapping[str, np.ndarray],
    details: Mapping[str, Any],
    modules: Mapping[str, torch.nn.Module],
    dimension: int,
) -> list[Encoded]:
    """What `saved` gave; `modules` are the encoders of types that have their own, but for a `NeighbourEncoder`."""
    for kind in modules:
        if not details.get(kind, {}).get("module"):
            raise UserError(f"no encoder of {kind!r} is a module: {nearest(kind, details)}")
    parts = []
    for i, (kind, mine) in enumerate(details.items()):
        prefix = f"features.{i}."
        learned = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        source: Bags | Dense = Dense(np.zeros((0, mine["numbers"] or 1), np.float32))
        if f"tags.{i}.data" in arrays:
            nothing = np.zeros(0)
            names = list(Names(arrays[f"tags.{i}.data"], arrays[f"tags.{i}.offsets"]))
            source = Bags(np.zeros(1), nothing, nothing, names)
        encoder: Encoder | None = None
        module = modules.get(kind)
        if module is None and "neighbours" in mine:
            module = NeighbourEncoder(**mine["neighbours"])
        if isinstance(source, Bags) and not mine["module"]:
            encoder = TagTable(learned["weight"])
        elif not mine["module"]:
            module = ScaledLinear(mine["numbers"], dimension)
        if module is not None:
            encoder = ModuleEncoder(module, dimension)
            encoder.load(learned)
        parts.append(Encoded(kind, graph.rows_of(kind), source, mine["row"], encoder, mine["module"], 0.0, learned))
    return parts


def _asked_edges(batch: Batch, rows: np.ndarray, entities: np.ndarray) -> np.ndarray:
    """(A, 2) entities at the ends of the edges that a step asks for; rows (U,) of the table are `entities`."""
    answers = batch.answers
    given = batch.given[answers.question]
    column = answers.column
    answer = column if batch.candidates is None else batch.candidates[column]
    return np.stack([entities[np.searchsorted(rows, given)], entities[np.searchsorted(rows, answer)]], axis=1)


def _one_thread(function: Callable[[Known], np.ndarray], features: Known) -> np.ndarray:
    """Called with one thread of torch's, for the same bytes on any number of them."""
    with one_thread_each():
        return function(features)
