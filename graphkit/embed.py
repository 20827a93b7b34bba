"""GraphEmbedding: a vector for every entity of a multi-relation graph, trained on its edges with shared negatives.

    score(h, r, t) = comparator( operator(x_h, w_r), x_t )

An edge (h, r, t) asks twice: which tail, given (h, r), and which head, given (t, r); the second question has relation
parameters of its own (reciprocal relations, Lacroix et al. 2018), so one operator serves both sides. Training is in
`graphkit.edge_trainer`; here is what one has afterwards.

Axes: N entities of D numbers, R relations of W numbers.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphkit.edge_trainer import EdgeTrainer
from graphkit.embed_config import EmbedConfig
from graphkit.evaluation import HEADS, TAILS, Answers, Ranking, rank
from graphkit.graph import Graph
from graphkit.vectors_folder import read_vectors, write_vectors
from neuralcore.config import from_mapping, to_mapping
from neuralcore.errors import UserError, nearest
from neuralcore.scoring.comparators import COMPARATORS
from neuralcore.scoring.operators import OPERATORS
from neuralcore.telemetry import Telemetry

KIND = "graph_embedding"


@dataclass(frozen=True)
class Entities:
    """Named vectors, as `SearchIndex.build` takes them: N `names` and `titles` ("" for none), `matrix` (N, D)."""

    names: list[str]
    titles: list[str]
    matrix: np.ndarray


class GraphEmbedding:
    """Vectors of a graph's entities and parameters of its relations.

    Args:
        graph: a `Graph`. config: see `EmbedConfig`; `settings` are fields of it, for short.
        seed: of everything random here; the same seed gives the same bytes.

    Attributes:
        matrix: (N, D) float32, the entities' vectors. relations: (2·R, W) float32; row r serves (h, r, ?), row R + r
            serves (?, r, t). Both are there after `fit` or `load`.
        epoch: passes done.
    """

    matrix: np.ndarray
    relations: np.ndarray

    def __init__(self, graph: Graph, config: EmbedConfig | None = None, *, seed: int = 0, **settings: Any):
        self.graph, self.config = graph, dataclasses.replace(config or EmbedConfig(), **settings)
        self.seed, self.epoch = seed, 0
        self._trainer: EdgeTrainer | None = None

    def fit(self, epochs: int | None = None, *, folder: str | Path | None = None) -> GraphEmbedding:
        """Train until `epochs` passes have been made in all (None: the config's); returns self.

        It uses as many threads as torch has been given (`torch.set_num_threads`).

        Args:
            folder: a run folder: progress, metrics and a checkpoint after each visit of shards, from which it goes
            on.
                Without one, a later `fit` goes on from this one; partitions that are not in memory lie in a temporary
                folder meanwhile, and there is no going on.

        Raises:
            UserError: the loss is no longer a number, or the folder's checkpoints are of another graph.
        """
        epochs = self.config.epochs if epochs is None else epochs
        if folder is not None:
            self._fit_in(Path(folder), epochs, telemetry=True)
        elif self.config.partitions > self.config.slots:
            with tempfile.TemporaryDirectory(prefix="graphkit_") as temporary:
                self._fit_in(Path(temporary), epochs, telemetry=False)
                self.matrix = np.array(self.matrix)
        else:
            self._trainer = self._trainer or EdgeTrainer(self.graph, self.config, self.seed)
            self._trainer.fit(epochs)
            self._take(self._trainer, np.empty((len(self.graph.entities), self.config.dimension), np.float32))
        return self

    def _fit_in(self, folder: Path, epochs: int, telemetry: bool) -> None:
        count = len(self.graph.train)
        with EdgeTrainer(self.graph, self.config, self.seed, folder) as trainer:
            if not telemetry:
                trainer.fit(epochs)
            else:
                start = trainer.epoch * count
                with Telemetry(epochs * count, "edges", title="embed", folder=folder, start=start) as shown:
                    trainer.fit(epochs, shown)
            shape = len(self.graph.entities), self.config.dimension
            if self.config.partitions > self.config.slots:
                with tempfile.TemporaryFile(dir=folder) as file:  # which lives as long as the array does
                    self._take(trainer, np.memmap(file, np.float32, "w+", shape=shape))
            else:
                self._take(trainer, np.empty(shape, np.float32))

    def _take(self, trainer: EdgeTrainer, matrix: np.ndarray) -> None:
        self.matrix = trainer.shards.vectors(matrix)
        self.relations = trainer.relations.copy()
        self.epoch = trainer.epoch

    def score(self, given: np.ndarray, relation: np.ndarray, side: int) -> torch.Tensor:
        """Scores of every entity as the missing one: (B,), (B,) and the side asked for -> (B, N)."""
        asked = torch.from_numpy(np.asarray(relation) + side * len(self.graph.relations))
        with torch.no_grad():
            vectors = torch.from_numpy(self.matrix[np.asarray(given)])
            query = OPERATORS[self.config.operator].forward(vectors, torch.from_numpy(self.relations), asked)
            return COMPARATORS[self.config.comparator].forward(query, torch.from_numpy(self.matrix))

    def predict(
        self,
        head: str | None = None,
        relation: str = "",
        tail: str | None = None,
        *,
        k: int = 10,
        new_only: bool = False,
    ) -> list[tuple[str, float]]:
        """The k entities that best complete (head, relation, ?) or (?, relation, tail), with their scores.

        Args:
            new_only: leave out the entities that complete it to an edge of the graph.

        Raises:
            UserError: an unknown name (the nearest is told), or not exactly one of head and tail given.
        """
        if (head is None) == (tail is None):
            raise UserError("predict asks for one side: give either head or tail, and the relation")
        side = HEADS if head is None else TAILS
        given = np.array([_number(self.graph.entities, str(tail if head is None else head), "entity")])
        row = np.array([_number(self.graph.relations, relation, "relation")])
        scores = self.score(given, row, side)[0].numpy()
        known = set()
        if new_only:
            known = set(Answers(self.graph.all_edges(), side, len(scores)).of(given, row)[1].tolist())
        ranked = (i for i in np.argsort(-scores, kind="stable").tolist() if i not in known)
        return [(self.graph.entities[i], float(scores[i])) for i in itertools.islice(ranked, k)]

    def evaluate(self, split: str = "test", *, filtered: bool = True) -> Ranking:
        """The `Ranking` of a split's edges; filtered by the edges of all splits unless told otherwise.

        Raises:
            UserError: the graph has no such split.
        """
        if split not in self.graph.edges:
            raise UserError(f"the graph has no {split!r} edges: {nearest(split, self.graph.edges)}")
        known = self.graph.all_edges()
        ranks = rank(self.score, self.graph.edges[split], known, len(self.graph.entities), filtered=filtered)
        return Ranking.of(ranks)

    @property
    def entities(self) -> Entities:
        """The entities' names, titles and vectors."""
        titles = self.graph.titles or [""] * len(self.graph.entities)
        return Entities(self.graph.entities, titles, self.matrix)

    def save(self, folder: str | Path) -> Path:
        """Write names, vectors, edges and settings into a folder; `load` needs nothing else."""
        arrays, columns, details = self.graph.parts()
        arrays |= {"entities": self.matrix, "relations": self.relations}
        details |= {"epoch": self.epoch, "config": to_mapping(self.config)}
        return write_vectors(Path(folder), KIND, arrays, columns, details)

    @classmethod
    def load(cls, folder: str | Path) -> GraphEmbedding:
        """The embedding that `save` wrote, in that folder or a run folder's `vectors/`.

        It is for use: Adagrad's sums stay in the run's checkpoints, and `fit` would begin them anew.

        Raises:
            UserError: there is none, or a file is not as it was written.
        """
        arrays, columns, details = read_vectors(Path(folder), KIND)
        embedding = cls(Graph.from_parts(arrays, columns, details), from_mapping(EmbedConfig, details["config"]))
        embedding.matrix, embedding.relations = arrays["entities"], arrays["relations"]
        embedding.epoch = details["epoch"]
        return embedding


def _number(names: list[str], name: str, kind: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise UserError(f"unknown {kind} {name!r}: {nearest(name, names)}") from None
