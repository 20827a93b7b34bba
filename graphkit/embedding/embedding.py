"""GraphEmbedding: a vector for every entity of a multi-relation graph, trained on its edges with shared negatives.

    score(h, r, t) = comparator( operator(x_h, w_r), x_t )

An edge (h, r, t) asks twice: which tail, given (h, r), and which head, given (t, r); the second question has relation
parameters of its own (reciprocal relations, Lacroix et al. 2018), so one operator serves both sides. Training is in
`graphkit.embedding.trainer`; here is what one has afterwards.

Axes: N entities of D numbers, R relations of W numbers.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphkit.embedding.config import EmbedConfig, FeatureConfig, RelationConfig
from graphkit.embedding.evaluation import HEADS, TAILS, Ranking, Ranks, rank
from graphkit.embedding.feature_files import read_features
from graphkit.embedding.features import Encoded, Features, loaded, saved
from graphkit.embedding.questions import KnownAnswers
from graphkit.embedding.relation_classes import Relations, RelationTable
from graphkit.embedding.trainer import EdgeTrainer
from graphkit.embedding.triple_classification import TripleClassification, classify, false_edges
from graphkit.graphs.graph import Graph
from graphkit.vectors_folder import read_vectors, write_vectors
from neuralcore.config import from_mapping, to_mapping
from neuralcore.device import gpu
from neuralcore.errors import UserError, nearest
from neuralcore.mapped import copied_on_write
from neuralcore.scoring.comparators import COMPARATORS
from neuralcore.scoring.operators import OPERATORS
from neuralcore.telemetry import Telemetry

KIND = "graph_embedding"
PAIRS = 512  # edges that are scored at once, by the diagonal of one product


@dataclass(frozen=True)
class Entities:
    """Named vectors, as `SearchIndex.build` takes them: N `names` and `titles` ("" for none), `matrix` (N, D).

    `attributes` holds N strings "type" where entities are of several types.
    """

    names: Sequence[str]
    titles: Sequence[str]
    matrix: np.ndarray
    attributes: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


class GraphEmbedding:
    """Vectors of a graph's entities and parameters of its relations.

    Args:
        graph: a `Graph`. config: see `EmbedConfig`; `settings` are fields of it, for short.
        seed: of everything random here; the same seed gives the same bytes.
        relations: what is different about some of them, by name.
        features: type ("entity" where there is one) -> what is known of its entities beside the edges, as arrays or
            a module (`graphkit.embedding.features`), or as the files where it is.

    Attributes:
        matrix: (N, D) float32, the entities' vectors. tables: operator -> `RelationTable`, the relations' numbers
            (see `graphkit.embedding.relation_classes`). Both are there after `fit` or `load`.
        epoch: passes done. encoded: the types whose vectors are made of features, after `fit` or `load`.

    Raises:
        UserError: relations or features that the graph has not, or a file of features that is not as it should be.
    """

    matrix: np.ndarray
    tables: dict[str, RelationTable]

    def __init__(
        self,
        graph: Graph,
        config: EmbedConfig | None = None,
        *,
        seed: int = 0,
        relations: Mapping[str, RelationConfig] | None = None,
        features: Mapping[str, Features | FeatureConfig] | None = None,
        **settings: Any,
    ):
        self.graph, self.config = graph, dataclasses.replace(config or EmbedConfig(), **settings)
        self.relations, self._classes = dict(relations or {}), Relations(graph, self.config, relations or {})
        self.features = read_features(graph, features or {}, self.config, seed)
        self.encoded: list[Encoded] = []
        self.seed, self.epoch = seed, 0
        self._trainer: EdgeTrainer | None = None

    def fit(
        self,
        epochs: int | None = None,
        *,
        folder: str | Path | None = None,
        start: str | Path | None = None,
        freeze: Iterable[str] = (),
        device: str = "cpu",
    ) -> GraphEmbedding:
        """Train until `epochs` passes have been made in all (None: the config's); returns self.

        On the CPU it uses as many threads as torch has been given (`torch.set_num_threads`).

        Args:
            folder: a run folder: progress, metrics and a checkpoint after each visit of shards, for going on from.
                Without one, a later `fit` goes on from this one; partitions that are not in memory lie in a temporary
                folder meanwhile, and there is no going on.
            start: a run folder, or vectors in any format of `graphkit.embedding.formats`, with which entities and
                relations of the same names begin. freeze: names of entities and relations that then stay as they are.
            device: "cpu", "cuda", or "auto", a GPU where there is one; a later `fit` may go on on the other.

        Raises:
            UserError: the loss is no longer a number, the folder's checkpoints are of another graph, `start` does
                not fit, or there is no such device, or it has not enough memory or cannot train features.
        """
        there = gpu(device)
        epochs = self.config.epochs if epochs is None else epochs
        if start is None and freeze:
            raise UserError("what is frozen stays where a start has it: name one")
        if start is not None and self._trainer is not None:
            raise UserError("start says where a training begins, and this one has begun: make another embedding")
        if start is not None and self.features:
            raise UserError("a start is of vectors without features: train those with features from the beginning")
        if self.encoded and not self.features:
            raise UserError("the features themselves are not saved: make another embedding with them, and fit that")
        if there is not None and self.features:
            raise UserError(f"entities with features are trained on the CPU alone: leave out device {device!r}")
        begin = None if start is None else (start, freeze)
        if folder is not None:
            self._fit_in(Path(folder), epochs, True, begin, there)
        elif self.config.partitions > self.config.slots:
            with tempfile.TemporaryDirectory(prefix="graphkit_") as temporary:
                self._fit_in(Path(temporary), epochs, False, begin, there)
                self.matrix = np.array(self.matrix)
        else:
            if self._trainer is None:
                self._trainer = EdgeTrainer(
                    self.graph, self.config, self.seed, None, self.relations, begin, self.features
                )
            self._trainer.fit(epochs, device=there)
            self._take(self._trainer, np.empty((len(self.graph.entities), self.config.dimension), np.float32))
        return self

    def _fit_in(
        self,
        folder: Path,
        epochs: int,
        telemetry: bool,
        begin: tuple[str | Path, Iterable[str]] | None,
        there: torch.device | None,
    ) -> None:
        count = len(self.graph.train)
        parts = self.graph, self.config, self.seed, folder, self.relations, begin, self.features
        with EdgeTrainer(*parts) as trainer:
            if not telemetry:
                trainer.fit(epochs, device=there)
            else:
                start = trainer.epoch * count
                with Telemetry(epochs * count, "edges", title="embed", folder=folder, start=start) as shown:
                    trainer.fit(epochs, shown, there)
            shape = len(self.graph.entities), self.config.dimension
            if self.config.partitions > self.config.slots:
                with tempfile.TemporaryFile(dir=folder) as file:  # which lives as long as the array does
                    self._take(trainer, np.memmap(file, np.float32, "w+", shape=shape))
            else:
                self._take(trainer, np.empty(shape, np.float32))

    def _take(self, trainer: EdgeTrainer, matrix: np.ndarray) -> None:
        self.matrix = trainer.vectors(matrix)
        self.tables = trainer.tables
        self.encoded = [] if trainer.encoders is None else trainer.encoders.parts
        self.epoch = trainer.epoch

    def score(self, given: np.ndarray, relation: np.ndarray, side: int, part: slice = slice(None)) -> torch.Tensor:
        """Scores of every entity that could be the missing one: (B,), (B,) and the side asked for -> (B, K).

        What is given may be vectors (B, D) as well, such as `encode` makes of entities the graph has not.
        All questions ask for entities of one type, whose K entities are scored, or a part of them; see `answers`.
        """
        rows = self.answers(int(relation[0]), side)
        candidates = torch.from_numpy(self.matrix[rows.start : rows.stop][part])
        with torch.no_grad():
            return COMPARATORS[self.config.comparator].forward(self.queries(given, relation, side), candidates)

    def queries(self, given: np.ndarray, relation: np.ndarray, side: int) -> torch.Tensor:
        """(B, D) what candidates are compared with; `given` are numbers of entities (B,), or vectors (B, D)."""
        vectors = torch.from_numpy(given if given.ndim == 2 else self.matrix[given])
        query, relation = torch.empty_like(vectors), np.asarray(relation)
        for operator, table in self.tables.items():
            mine = np.flatnonzero(self._classes.operator_of[relation] == operator)
            asked = torch.from_numpy(self._classes.row_of[relation[mine]] + side * table.half)
            query[mine] = OPERATORS[operator].forward(vectors[mine], torch.from_numpy(table.weight), asked)
        return query

    def answers(self, relation: int, side: int) -> range:
        """The entities that could be a relation's tail (`TAILS`) or head."""
        return self.graph.rows_of(self.graph.sides[relation][0 if side == HEADS else 1])

    def asks(self, relation: int, side: int) -> bool:
        """Whether a relation was trained to tell its tails (`TAILS`) or heads."""
        return bool(self._classes.is_asked[relation, side])

    def predict(
        self,
        head: str | np.ndarray | None = None,
        relation: str = "",
        tail: str | np.ndarray | None = None,
        *,
        k: int = 10,
        new_only: bool = False,
    ) -> list[tuple[str, float]]:
        """The k entities that best complete (head, relation, ?) or (?, relation, tail), with their scores.

        Args:
            head, tail: one of them, the name of an entity, or the vector (D,) of one the graph has not; see `encode`.
            new_only: leave out the entities that complete it to an edge of the graph.

        Raises:
            UserError: an unknown name (the nearest is told), or not exactly one of head and tail given.
        """
        if (head is None) == (tail is None):
            raise UserError("predict asks for one side: give either head or tail, and the relation")
        side = HEADS if head is None else TAILS
        number = _number(self.graph.relations, relation, "relation")
        if not self.asks(number, side):
            sides, other = ("tails", "tail") if side == HEADS else ("heads", "head")
            wanted = "head" if side == HEADS else "tail"
            raise UserError(
                f"{relation!r} was trained with sides = {sides!r} and does not tell {wanted}s: ask for its {sides}, "
                f"by giving a {wanted} and no {other}"
            )
        could, are = self.answers(number, side), self.answers(number, HEADS if side == TAILS else TAILS)
        asked = tail if head is None else head
        if isinstance(asked, str):
            names = self.graph.entities[are.start : are.stop]
            given = np.array([are.start + _number(names, asked, "entity")])
        else:
            given = np.array(asked, np.float32)[None]
        row = np.array([number])
        scores = self.score(given, row, side)[0].numpy()
        known = set()
        if new_only and isinstance(asked, str):
            edges = self.graph.all_edges()
            answers = KnownAnswers(edges, len(self.graph.relations), len(self.graph.entities))
            known = set((answers.of(given, row + side * len(self.graph.relations))[1] - could.start).tolist())
        ranked = (i for i in np.argsort(-scores, kind="stable").tolist() if i not in known)
        return [(self.graph.entities[could.start + i], float(scores[i])) for i in itertools.islice(ranked, k)]

    def encode(self, features: Sequence[Iterable[str]] | np.ndarray, kind: str | None = None) -> np.ndarray:
        """(B, D) vectors of entities that the graph has not, made of their features alone.

        Where entities have rows beside, these are what theirs would be with a row of zeros.

        Args:
            features: B lists of tags, of which unknown ones are left out, or an array (B, F). kind: their type; None
                where one type alone has features.

        Raises:
            UserError: the type has no features, or others than these.
        """
        kinds = {part.kind: part for part in self.encoded}
        if kind is None and len(kinds) == 1:
            (kind,) = kinds
        if kind not in kinds:
            raise UserError(f"no type {kind!r} has features and is trained: {nearest(str(kind or ''), kinds)}")
        return kinds[kind].encode(features)

    def ranks(self, split: str = "test", *, filtered: bool = True) -> Ranks:
        """Where a split's true entities stand; filtered by the edges of all splits, unless told otherwise.

        Raises:
            UserError: the graph has no such split.
        """
        graph = self.graph
        if split not in graph.edges:
            raise UserError(f"the graph has no {split!r} edges: {nearest(split, graph.edges)}")
        known = graph.all_edges() if filtered else None
        return rank(self.score, graph.edges[split], known, len(graph.entities), self.answers, self._classes.is_asked)

    def evaluate(self, split: str = "test", *, filtered: bool = True) -> Ranking:
        """The `Ranking` of a split's edges; see `ranks`."""
        return Ranking.of(self.ranks(split, filtered=filtered))

    def classify_triples(self, seed: int = 0) -> TripleClassification:
        """How well true edges of the split test are told from false ones, with thresholds from valid.

        Raises:
            UserError: the graph lacks one of the splits.
        """
        graph, generator, pairs = self.graph, np.random.default_rng(seed), []
        for split in ("valid", "test"):
            if split not in graph.edges:
                raise UserError(f"triples are told apart by valid and test edges, there are only {list(graph.edges)}")
            sizes = len(graph.entities), len(graph.relations)
            edges = graph.edges[split]
            false, whole = false_edges(edges, graph.all_edges(), *sizes, self.answers, generator)
            pairs.append((edges[whole], false))
        return classify(self.score_edges, *pairs)

    def score_edges(self, edges: np.ndarray) -> np.ndarray:
        """(E,) the mean of an edge's two scores, as an answer of its tail's and of its head's question; (E, 3).

        Of a relation that is asked for one side only, that one's.
        """
        total = np.zeros(len(edges))
        with torch.no_grad():
            for start in range(0, len(edges), PAIRS):
                part = edges[start : start + PAIRS]
                for side, given, answer in ((TAILS, 0, 2), (HEADS, 2, 0)):
                    query = self.queries(part[:, given], part[:, 1], side)
                    answers = torch.from_numpy(self.matrix[part[:, answer]])
                    scores = COMPARATORS[self.config.comparator].forward(query, answers).diagonal()
                    share = self._classes.is_asked / self._classes.is_asked.sum(1, keepdims=True)
                    total[start : start + len(part)] += scores.numpy() * share[part[:, 1], side]
        return total

    @property
    def operators(self) -> list[str]:
        """R names: each relation's operator."""
        return self._classes.operator_of.tolist()

    @property
    def entities(self) -> Entities:
        """The entities' names, titles, types and vectors."""
        titles = self.graph.titles or [""] * len(self.graph.entities)
        types, attributes = self.graph.types, {}
        if len(types) > 1:
            attributes["type"] = np.repeat(np.array(list(types), object), list(types.values()))
        return Entities(self.graph.entities, titles, self.matrix, attributes)

    def save(self, folder: str | Path) -> Path:
        """Write names, vectors, edges and settings into a folder; `load` needs nothing else."""
        arrays, columns, details = self.graph.parts()
        arrays |= {"entities": self.matrix}
        arrays |= {f"relations.{operator}": table.weight for operator, table in self.tables.items()}
        settings = {name: to_mapping(mine) for name, mine in self.relations.items()}
        details |= {"epoch": self.epoch, "config": to_mapping(self.config), "settings": settings}
        encoders, details["features"] = saved(self.encoded)
        arrays |= encoders
        return write_vectors(Path(folder), KIND, arrays, columns, details)

    @classmethod
    def load(cls, folder: str | Path, *, encoders: Mapping[str, torch.nn.Module] | None = None) -> GraphEmbedding:
        """The embedding that `save` wrote, in that folder or a run folder's `vectors/`.

        It is for use: Adagrad's sums stay in the run's checkpoints, and `fit` would begin them anew; the features of
        the entities are not there. Edges and vectors stay in the file, whose hash is checked, until they are looked
        at; what is written into `matrix` stays in memory.

        Args:
            encoders: type -> a module like the one it was trained with, into which its numbers are put. Without it
                the vectors are there, but `encode` is not.

        Raises:
            UserError: there is none, or a file is not as it was written.
        """
        arrays, columns, details = read_vectors(Path(folder), KIND, mapped=True)
        settings = {name: from_mapping(RelationConfig, mine) for name, mine in details["settings"].items()}
        graph, config = Graph.from_parts(arrays, columns, details), from_mapping(EmbedConfig, details["config"])
        embedding = cls(graph, config, relations=settings)
        tables: dict[str, RelationTable] = {}
        embedding.matrix = copied_on_write(arrays["entities"])
        for name in embedding._classes.operators:
            weight = np.array(arrays[f"relations.{name}"])
            tables[name] = RelationTable(weight, np.zeros_like(weight))
        embedding.tables = tables
        embedding.encoded = loaded(graph, arrays, details.get("features", {}), encoders or {}, config.dimension)
        embedding.epoch = details["epoch"]
        return embedding


def _number(names: Sequence[str], name: str, kind: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise UserError(f"unknown {kind} {name!r}: {nearest(name, names)}") from None
