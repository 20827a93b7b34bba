"""GraphEmbedding: a vector for every entity of a multi-relation graph, trained on its edges with shared negatives.

An edge (h, r, t) asks twice: which tail, given (h, r), and which head, given (t, r); the second question has relation
parameters of its own (reciprocal relations, Lacroix et al. 2018), so one operator serves both sides:

    score(h, r, t) = comparator( operator(x_h, w_r), x_t )

A batch of B edges shares one pool of candidates: its own heads and tails (in-batch negatives) and K uniform ones
(Lerer et al. 2019, section 4.3). All scores are then one matrix product (2B, D) x (D, |pool|). Entities are stepped
by row-wise Adagrad on the rows of the pool alone, relations by Adagrad; the regulariser N3 is Lacroix et al. (2018),
eq. 4.

Deviations: false negatives inside a pool are not masked (few, and the softmax bears them); one partition only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.lazy import lazy_import
from neuralcore.seeding import Generators

if TYPE_CHECKING:
    import numpy as np
    import torch

    from graphkit.graph import Graph
    from neuralcore.checkpoint import Checkpoint, Shard
else:  # imported when first used, so that `graphkit embed --help` need not wait for torch
    np = lazy_import("numpy")
    torch = lazy_import("torch")


KIND = "graph_embedding"


@dataclass(frozen=True)
class EmbedConfig:
    """Defaults are ComplEx with a softmax over shared negatives; TransE is translation, l2, ranking."""

    operator: Literal["identity", "translation", "diagonal", "complex_diagonal"] = "complex_diagonal"
    """what a relation does to an entity's vector"""
    comparator: Literal["dot", "cosine", "l2", "squared_l2"] = "dot"
    """how alike the result and a candidate are"""
    loss: Literal["softmax", "logistic", "ranking"] = "softmax"
    """of the true candidate's score among its negatives'"""
    margin: float = 1.0
    """by how much the ranking loss wants the true candidate ahead"""
    dimension: int = 100
    """numbers of an entity's vector; even for complex_diagonal"""
    epochs: int = 20
    """passes over the training edges"""
    batch_size: int = 250
    """edges that share a pool of negatives and make one step"""
    negatives: int = 250
    """uniform negatives in a pool, beside the batch's own entities (PyTorch-BigGraph: 50)"""
    learning_rate: float = 0.1
    """Adagrad's step size"""
    n3: float = 0.0
    """weight of the N3 regulariser, the sum of cubed absolute values of the vectors in a batch"""
    init_scale: float = 0.1
    """standard deviation of the first vectors"""

    def __post_init__(self) -> None:
        for name in ("dimension", "epochs", "batch_size", "negatives"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("learning_rate", "init_scale"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("n3", "margin"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.operator == "complex_diagonal" and self.dimension % 2:
            raise ValueError(f"complex_diagonal needs an even dimension, got {self.dimension}")


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
        seed: of everything random here. On the CPU the same seed and number of torch threads give the same bytes.

    Attributes:
        table: `EmbeddingTable` (N, D) of the entities.
        relation_weight: (2·R, D) tensor; row r serves (h, r, ?), row R + r serves (?, r, t).
        epoch: passes done.
    """

    def __init__(self, graph: Graph, config: EmbedConfig | None = None, *, seed: int = 0, **settings: Any):
        from graphkit.operators import neutral
        from neuralcore.embedding import EmbeddingTable

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

    # -- training -----------------------------------------------------------------------------------------------

    def fit(self, epochs: int | None = None, *, folder: str | Path | None = None) -> GraphEmbedding:
        """Train until `epochs` passes have been made in all (None: the config's); returns self.

        Args:
            folder: a run folder: progress, metrics and a checkpoint after each epoch, from which it goes on.
        """
        from neuralcore.checkpoint import CheckpointStore
        from neuralcore.errors import UserError
        from neuralcore.telemetry import Telemetry

        epochs = self.config.epochs if epochs is None else epochs
        store = None if folder is None else CheckpointStore(Path(folder) / "checkpoints")
        checkpoint = store.load() if store else None
        if checkpoint is not None:
            self.restore(checkpoint)
        count = len(self.graph.train)
        if store is None:
            while self.epoch < epochs:
                self._pass(lambda done, loss: None)
            return self
        with Telemetry(epochs * count, "edges", title="embed", folder=folder, start=self.epoch * count) as telemetry:
            while self.epoch < epochs:
                before = self.epoch * count

                def progress(done: int, loss: float, before: int = before) -> None:
                    if telemetry.due():
                        telemetry.show(before + done, {"epoch": self.epoch + 1, "loss": loss})

                loss = self._pass(progress)
                if not np.isfinite(loss):
                    raise UserError(f"the loss became {loss} in epoch {self.epoch}: lower the learning rate")
                telemetry.record(self.epoch * count, {"epoch": self.epoch, "loss": loss})
                store.save(self.epoch, *self.state())
                telemetry.show(self.epoch * count, {"epoch": self.epoch, "loss": loss}, last=self.epoch == epochs)
        return self

    def _pass(self, progress: Any) -> float:
        """One pass over the shuffled training edges; the mean loss a question."""
        generator = self.generators.numpy("batches")
        edges, batch = self.graph.train, self.config.batch_size
        order = generator.permutation(len(edges))
        total = 0.0
        for start in range(0, len(edges), batch):
            part = edges[order[start : start + batch]]
            total += self._step(part, generator.integers(len(self.graph.entities), size=self.config.negatives))
            done = start + len(part)
            progress(done, total / (2 * done))
        self.epoch += 1
        return total / (2 * len(edges))

    def _step(self, edges: np.ndarray, negatives: np.ndarray) -> float:
        """One gradient step on B edges against a shared pool of candidates; the summed loss."""
        from graphkit.comparators import COMPARATORS
        from graphkit.losses import LOSSES
        from graphkit.operators import OPERATORS, modulus

        config, count = self.config, len(edges)
        heads, relations, tails = edges.T
        pool, where = np.unique(np.concatenate([heads, tails, negatives]), return_inverse=True)
        head_at, tail_at = torch.from_numpy(where[:count]), torch.from_numpy(where[count : 2 * count])
        given, true = torch.cat([head_at, tail_at]), torch.cat([tail_at, head_at])
        asked = torch.from_numpy(np.concatenate([relations, relations + len(self.graph.relations)]))
        candidates = torch.from_numpy(self.table.weight[pool]).requires_grad_()
        relation_weight = self.relation_weight.detach().requires_grad_()
        x, w = candidates.index_select(0, given), relation_weight.index_select(0, asked)
        scores = COMPARATORS[config.comparator](OPERATORS[config.operator](x, w), candidates)
        loss = LOSSES[config.loss](scores, true, config.margin)
        objective = loss
        if config.n3:
            answers = candidates.index_select(0, true)
            objective = loss + config.n3 * sum(modulus(config.operator, v).pow(3).sum() for v in (x, w, answers))
        objective.backward()
        assert candidates.grad is not None
        self.table.update(pool, candidates.grad.numpy(), config.learning_rate)
        gradient = relation_weight.grad
        if gradient is not None:  # the identity has no relation parameters
            self.relation_state.addcmul_(gradient, gradient)
            self.relation_weight.addcdiv_(gradient, self.relation_state.sqrt() + 1e-10, value=-config.learning_rate)
        return float(loss.detach())

    # -- asking -------------------------------------------------------------------------------------------------

    def score(self, given: np.ndarray, relation: np.ndarray, side: int) -> torch.Tensor:
        """Scores of every entity as the missing one: (B,), (B,) and the side asked for -> (B, N)."""
        from graphkit.comparators import COMPARATORS
        from graphkit.operators import OPERATORS

        rows = torch.from_numpy(np.asarray(relation) + side * len(self.graph.relations))
        entities = self.table.tensor()
        with torch.no_grad():
            query = OPERATORS[self.config.operator](
                entities[torch.from_numpy(np.asarray(given))], self.relation_weight[rows]
            )
            return COMPARATORS[self.config.comparator](query, entities)

    def predict(
        self, head: str | None = None, relation: str = "", tail: str | None = None, *, k: int = 10
    ) -> list[tuple[str, float]]:
        """The k entities that best complete (head, relation, ?) or (?, relation, tail), with their scores.

        Raises:
            UserError: an unknown name (the nearest is told), or not exactly one of head and tail given.
        """
        from neuralcore.errors import UserError

        if (head is None) == (tail is None):
            raise UserError("predict asks for one side: give either head or tail, and the relation")
        given = _number(self.graph.entities, str(tail if head is None else head), "entity")
        row = _number(self.graph.relations, relation, "relation")
        scores = self.score(np.array([given]), np.array([row]), 1 if head is None else 0)[0]
        best = torch.topk(scores, min(k, len(scores)))
        return [(self.graph.entities[i], float(s)) for s, i in zip(best.values, best.indices)]

    def evaluate(self, split: str = "test", *, filtered: bool = True) -> Any:
        """The `Ranking` of a split's edges; filtered by the edges of all splits unless told otherwise."""
        from graphkit.evaluation import Ranking, rank
        from neuralcore.errors import UserError, nearest

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

    # -- keeping ------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on."""
        from neuralcore.checkpoint import Shard

        relations = {"weight": self.relation_weight.numpy(), "state": self.relation_state.numpy()}
        shards = {"entities": Shard(self.table.arrays()), "relations": Shard(relations)}
        return {"epoch": self.epoch, "generators": self.generators.state()}, shards

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from."""
        self.table.restore(checkpoint.shards["entities"])
        self.relation_weight = torch.from_numpy(checkpoint.shards["relations"]["weight"].copy())
        self.relation_state = torch.from_numpy(checkpoint.shards["relations"]["state"].copy())
        self.epoch = checkpoint.state["epoch"]
        self.generators.restore(checkpoint.state["generators"])

    def save(self, folder: str | Path) -> Path:
        """Write names, vectors, splits and settings into a folder; `load` needs nothing else."""
        from graphkit.vectors_folder import write_vectors
        from neuralcore.config import to_mapping

        arrays = {"entities": self.table.weight, "relations": self.relation_weight.numpy()}
        arrays |= {f"edges.{split}": rows for split, rows in self.graph.edges.items()}
        columns = {"name": self.entities.names, "title": self.entities.titles}
        details = {"relations": self.graph.relations, "epoch": self.epoch, "config": to_mapping(self.config)}
        return write_vectors(Path(folder), KIND, arrays, columns, details)

    @classmethod
    def load(cls, folder: str | Path) -> GraphEmbedding:
        """The embedding that `save` wrote, in that folder or a run folder's `vectors/`.

        Raises:
            UserError: there is none, or a file is not as it was written.
        """
        from graphkit.graph import Graph
        from graphkit.vectors_folder import read_vectors
        from neuralcore.config import from_mapping

        arrays, columns, manifest = read_vectors(Path(folder), KIND)
        edges = {name.removeprefix("edges."): a for name, a in arrays.items() if name.startswith("edges.")}
        graph = Graph.of(columns["name"], manifest["relations"], edges, columns["title"])
        embedding = cls(graph, from_mapping(EmbedConfig, manifest["config"]))
        embedding.table.weight[:] = arrays["entities"]
        embedding.relation_weight = torch.from_numpy(arrays["relations"].copy())
        embedding.epoch = manifest["epoch"]
        return embedding


def _number(names: list[str], name: str, kind: str) -> int:
    from neuralcore.errors import UserError, nearest

    try:
        return names.index(name)
    except ValueError:
        raise UserError(f"unknown {kind} {name!r}: {nearest(name, names)}") from None
