"""GraphEmbedding: a vector for every entity of a multi-relation graph, trained on its edges with shared negatives.

An edge (h, r, t) asks twice: which tail, given (h, r), and which head, given (t, r); the second question has relation
parameters of its own (reciprocal relations, Lacroix et al. 2018), so one operator serves both sides:

    score(h, r, t) = comparator( operator(x_h, w_r), x_t )

A batch of B edges shares one pool of candidates: its own heads and tails (in-batch negatives) and K uniform ones
(Lerer et al. 2019, section 4.3). All scores are then one matrix product (2B, D) x (D, |pool|). A pool names each
entity once, so the true answer is never its own negative. Entities are stepped by row-wise Adagrad on the rows of the
pool alone, relations by Adagrad; the N3 regulariser is that of Lacroix et al. (2018), eq. 4.

The questions of a step are cut into parts of `PART`, each with a backward pass of its own on a thread of its own;
their gradients are summed in order, and every matrix product runs on one thread. So the same seed gives the same
bytes on any number of threads, and no thread waits at a spinning barrier (on two cores shared with another process
that made a step 19 times slower).

Deviations: negatives that make another true edge are not masked (few, the softmax bears them); one partition only.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphkit.comparators import COMPARATORS
from graphkit.embed_config import EmbedConfig
from graphkit.evaluation import HEADS, TAILS, Answers, Ranking, rank
from graphkit.graph import Graph
from graphkit.losses import LOSSES
from graphkit.negatives import share_pool
from graphkit.operators import OPERATORS, n3_gradient, neutral
from graphkit.vectors_folder import read_vectors, write_vectors
from neuralcore.checkpoint import Checkpoint, CheckpointStore, Shard
from neuralcore.config import from_mapping, to_mapping
from neuralcore.embedding import EmbeddingTable
from neuralcore.errors import UserError, nearest
from neuralcore.seeding import Generators
from neuralcore.telemetry import Telemetry

KIND = "graph_embedding"
PART = 250  # questions a part of a step: enough work for a thread, and two parts at the default batch size
EPSILON = 1e-10  # of Adagrad


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
        table: `EmbeddingTable` (N, D) of the entities.
        relation_weight: (2·R, D) tensor; row r serves (h, r, ?), row R + r serves (?, r, t).
        epoch: passes done.
    """

    def __init__(self, graph: Graph, config: EmbedConfig | None = None, *, seed: int = 0, **settings: Any):
        self.graph, self.config = graph, dataclasses.replace(config or EmbedConfig(), **settings)
        self.generators = Generators(seed)
        shape = len(graph.entities), self.config.dimension
        self.table = EmbeddingTable(*shape, adagrad=True)
        self.table.normal(self.config.init_scale, self.generators.numpy("entities"))
        start = neutral(self.config.operator, self.config.dimension)
        noise = self.generators.numpy("relations").normal(
            0.0, self.config.init_scale, (2 * len(graph.relations), self.config.dimension)
        )
        self.relation_weight = start + torch.from_numpy(noise.astype(np.float32))
        self.relation_state = torch.zeros_like(self.relation_weight)
        self.epoch = 0

    def fit(self, epochs: int | None = None, *, folder: str | Path | None = None) -> GraphEmbedding:
        """Train until `epochs` passes have been made in all (None: the config's); returns self.

        It uses as many threads as torch has been given (`torch.set_num_threads`).

        Args:
            folder: a run folder: progress, metrics and a checkpoint after each epoch, from which it goes on.

        Raises:
            UserError: the loss is no longer a number, or the folder's checkpoints are of another graph.
        """
        epochs = self.config.epochs if epochs is None else epochs
        store = None if folder is None else CheckpointStore(Path(folder) / "checkpoints")
        checkpoint = store.load() if store else None
        if checkpoint is not None:
            self.restore(checkpoint)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a matrix product each, rather than all on one: see the file's docstring
        try:
            with ThreadPoolExecutor(threads) as executor:
                if folder is None or store is None:
                    while self.epoch < epochs:
                        self._pass(executor, lambda done, loss: None)
                else:
                    self._fit_in(Path(folder), store, epochs, executor)
        finally:
            torch.set_num_threads(threads)
        return self

    def _fit_in(self, folder: Path, store: CheckpointStore, epochs: int, executor: Executor) -> None:
        count = len(self.graph.train)
        with Telemetry(epochs * count, "edges", title="embed", folder=folder, start=self.epoch * count) as telemetry:
            while self.epoch < epochs:
                before = self.epoch * count

                def progress(done: int, loss: float, before: int = before) -> None:
                    if telemetry.due():
                        telemetry.show(before + done, {"epoch": self.epoch + 1, "loss": loss})

                loss = self._pass(executor, progress)
                telemetry.record(self.epoch * count, {"epoch": self.epoch, "loss": loss})
                store.save(self.epoch, *self.state())
                telemetry.show(self.epoch * count, {"epoch": self.epoch, "loss": loss}, last=self.epoch == epochs)

    def _pass(self, executor: Executor, progress: Callable[[int, float], None]) -> float:
        """One pass over the shuffled training edges; the mean loss a question."""
        generator = self.generators.numpy("batches")
        edges, batch = self.graph.train, self.config.batch_size
        order = generator.permutation(len(edges))
        total = 0.0
        for start in range(0, len(edges), batch):
            part = edges[order[start : start + batch]]
            negatives = generator.integers(len(self.graph.entities), size=self.config.negatives)
            total += self._step(executor, part, negatives)
            done = start + len(part)
            if not total < float("inf"):  # NaN as well
                raise UserError(f"the loss became {total} in epoch {self.epoch + 1}: lower the learning rate")
            progress(done, total / (2 * done))
        self.epoch += 1
        return total / (2 * len(edges))

    def _step(self, executor: Executor, edges: np.ndarray, negatives: np.ndarray) -> float:
        """One gradient step on B edges against a shared pool of candidates; the summed loss."""
        config = self.config
        shared = share_pool(edges, negatives, len(self.graph.relations))
        pool, given, true, relations, asked = (torch.from_numpy(array) for array in shared)
        # Gathered by torch for its memory is aligned: products of aligned matrices give the same bytes each time.
        candidates = self.table.tensor().index_select(0, pool)
        weights = self.relation_weight.index_select(0, relations)
        parts = zip(given.split(PART), asked.split(PART), true.split(PART))
        results = list(executor.map(lambda part: _gradients(config, candidates, weights, *part), parts))
        # Summed in order, part by part: whichever thread was first.
        gradient = functools.reduce(torch.add, (of_candidates for _, of_candidates, _ in results))
        relation_gradient = functools.reduce(torch.add, (of_weights for _, _, of_weights in results))
        if config.n3:
            # Every end of an edge is given once and sought once; a vector is regularised as often as it occurs.
            occurrences = 2 * torch.bincount(given, minlength=len(pool))
            gradient += config.n3 * n3_gradient(config.operator, candidates, occurrences)
            relation_gradient += config.n3 * n3_gradient(config.operator, weights, torch.bincount(asked))
        self.table.update(pool.numpy(), gradient.numpy(), config.learning_rate)
        if config.operator != "identity":  # which has no relation parameters
            squares = self.relation_state[relations] + relation_gradient.square()
            self.relation_state[relations] = squares
            step = relation_gradient / (squares.sqrt() + EPSILON)
            self.relation_weight[relations] -= config.learning_rate * step
        return sum(loss for loss, _, _ in results)

    def score(self, given: np.ndarray, relation: np.ndarray, side: int) -> torch.Tensor:
        """Scores of every entity as the missing one: (B,), (B,) and the side asked for -> (B, N)."""
        rows = torch.from_numpy(np.asarray(relation) + side * len(self.graph.relations))
        entities = self.table.tensor()
        with torch.no_grad():
            query = OPERATORS[self.config.operator](
                entities[torch.from_numpy(np.asarray(given))], self.relation_weight[rows]
            )
            return COMPARATORS[self.config.comparator](query, entities)

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
        return Entities(self.graph.entities, titles, self.table.weight)

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on."""
        relations = {"weight": self.relation_weight.numpy(), "state": self.relation_state.numpy()}
        shards = {"entities": Shard(self.table.arrays()), "relations": Shard(relations)}
        state = {"epoch": self.epoch, "graph": self.graph.digest(), "generators": self.generators.state()}
        return state, shards

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from.

        Raises:
            UserError: that had other names or edges.
        """
        if checkpoint.state["graph"] != self.graph.digest():
            raise UserError(
                f"{checkpoint.folder} was learned from other edges than these {self.graph}: "
                f"restore the edge list to go on, or choose another --run"
            )
        self.table.restore(checkpoint.shards["entities"])
        self.relation_weight = torch.from_numpy(checkpoint.shards["relations"]["weight"].copy())
        self.relation_state = torch.from_numpy(checkpoint.shards["relations"]["state"].copy())
        self.epoch = checkpoint.state["epoch"]
        self.generators.restore(checkpoint.state["generators"])

    def save(self, folder: str | Path) -> Path:
        """Write names, vectors, edges and settings into a folder; `load` needs nothing else."""
        arrays, columns, details = self.graph.parts()
        arrays |= {"entities": self.table.weight, "relations": self.relation_weight.numpy()}
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
        embedding.table.weight[:] = arrays["entities"]
        embedding.relation_weight = torch.from_numpy(arrays["relations"].copy())
        embedding.epoch = details["epoch"]
        return embedding


def _gradients(
    config: EmbedConfig,
    candidates: torch.Tensor,
    weights: torch.Tensor,
    given: torch.Tensor,
    asked: torch.Tensor,
    true: torch.Tensor,
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Loss and gradients of B questions.

    Args:
        candidates: (K, D) the pool's vectors. weights: (S, D) parameters of the relations that occur.
        given, true: (B,) rows of `candidates`, what is given and what is sought. asked: (B,) rows of `weights`.

    Returns:
        The summed loss and its gradients (K, D) and (S, D).
    """
    candidates, weights = candidates.detach().requires_grad_(), weights.detach().requires_grad_()
    query = OPERATORS[config.operator](candidates.index_select(0, given), weights.index_select(0, asked))
    scores = COMPARATORS[config.comparator](query, candidates)
    loss = LOSSES[config.loss](scores, true, 1.0 if config.margin is None else config.margin)
    of_candidates, of_weights = torch.autograd.grad(loss, (candidates, weights), materialize_grads=True)
    return float(loss.detach()), of_candidates, of_weights


def _number(names: list[str], name: str, kind: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise UserError(f"unknown {kind} {name!r}: {nearest(name, names)}") from None
