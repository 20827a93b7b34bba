"""Training on a graph's edges, with the entities' table in memory or in parts of it: what `GraphEmbedding.fit` runs.

A step (op `edge_step`) is a batch of questions of one side, against a pool of candidates they share
(`graphkit.embedding.questions`). With P partitions an epoch is a list of visits (`graphkit.embedding.partition`):
each has some shards in memory (`graphkit.embedding.shards`), trains its buckets of edges
(`graphkit.embedding.buckets`) and ends with a checkpoint.

What a visit draws depends on the seed, the epoch and its number alone, so a run that goes on from a checkpoint does
what the uninterrupted one does. The questions of a step are cut into parts, which run on threads and are summed in
order, each product on one thread: the same seed gives the same bytes on any number of threads, and no thread waits at
a spinning barrier (on two cores shared with another process that made a step 19 times slower).

Axes: N entities, R relations, D and W numbers of an entity and a relation, E edges.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from graphkit.embedding.batches import EdgeBatches
from graphkit.embedding.config import EmbedConfig, RelationConfig
from graphkit.embedding.features import FeatureEncoders, Features
from graphkit.embedding.partition import Partition, visits
from graphkit.embedding.questions import Batch
from graphkit.embedding.relation_classes import Relations, RelationTable
from graphkit.embedding.shards import Shards, is_shard
from graphkit.embedding.tables import DeviceTables, HostTables, Tables
from graphkit.embedding.warm_start import GraphWarmStart
from graphkit.graphs.graph import Graph
from neuralcore.checkpoint import CheckpointStore, Shard
from neuralcore.device import one_thread_each
from neuralcore.embedding import blocks
from neuralcore.errors import UserError
from neuralcore.kernels.edge_step import Scoring
from neuralcore.mapped import give_free_memory_back
from neuralcore.telemetry import Telemetry


class EdgeTrainer:
    """The tables, how far training has come, and the loop. A context manager: leaving it waits for the disk.

    Args:
        graph: what is learned from. config: see `EmbedConfig`. seed: of everything random.
        folder: for the sorted edges and the checkpoints, from which it goes on; None if all is to stay in memory.
        settings: relation -> what is different about it.
        start: where vectors to begin with are, and the names that stay as they are; see
        `graphkit.embedding.warm_start`.
        features: type -> what is known of its entities, see `graphkit.embedding.features`.

    Attributes:
        shards: the entities' table. relations: which are trained alike. tables: operator -> `RelationTable`.
        working: what steps work on, these tables or, during `fit`, a GPU's copies. batches: what they are given.
        epoch, visit: passes done, and visits done of the present one.
    """

    def __init__(
        self,
        graph: Graph,
        config: EmbedConfig,
        seed: int,
        folder: Path | None = None,
        settings: Mapping[str, RelationConfig] | None = None,
        start: tuple[str | Path, Iterable[str]] | None = None,
        features: Mapping[str, Features] | None = None,
    ):
        if folder is None and config.partitions > config.slots:
            raise ValueError("partitions that are not in memory need a folder")
        self.graph, self.config, self.seed, self.folder = graph, config, seed, folder
        self.store = None if folder is None else CheckpointStore(folder / "checkpoints")
        self.partition = Partition(tuple(graph.types.values()), config.partitions, seed)
        self.encoders = FeatureEncoders(graph, features, config, seed, self.partition) if features else None
        self.shards = Shards(self.partition, config.dimension, config.slots, self._begin, self.store)
        self.relations = Relations(graph, config, settings or {})
        self.tables = self.relations.begin(config.dimension, config.init_scale, np.random.default_rng([seed, 1]))
        self.start: GraphWarmStart | None = None
        if start is not None:
            self.start = GraphWarmStart(start[0], graph, config.dimension, self.relations, start[1])
            self.start.into_relations(self.tables, self.relations)
        margin = 1.0 if config.margin is None else config.margin
        same = (config.comparator, config.loss, margin, config.n3, config.l2, config.relation_prediction)
        self.scorings = {name: Scoring(name, *same, config.precision) for name in self.tables}
        self.epoch = self.visit = 0
        self._visits = len(visits(config.partitions, config.slots))
        self.batches = EdgeBatches(graph, config, seed, self.partition, self.relations, folder)
        # Now, while no shard is in memory, for all names and edges pass through it.
        self._digest = "" if self.store is None else self._digest_of_all()
        give_free_memory_back()
        checkpoint = self.store.load(later=is_shard) if self.store else None
        if checkpoint is not None:
            self._restore(checkpoint.state, checkpoint.shards, checkpoint.folder)
        self.working: Tables = HostTables(self.shards, self.tables)

    def _begin(self, shard: int, weight: np.ndarray, state: np.ndarray) -> None:
        generator = np.random.default_rng([self.seed, 2, shard])
        for rows in blocks(weight):
            rows[:] = generator.normal(0.0, self.config.init_scale, rows.shape)
        state[:] = 0.0
        if self.encoders is not None:
            entities, places = self.partition.members(shard)
            weight[places[self.encoders.begin_at_zero(entities)]] = 0.0
        if self.start is not None:
            self.start.into(*self.partition.members(shard), weight, state)

    def fit(self, epochs: int, telemetry: Telemetry | None = None, device: torch.device | None = None) -> None:
        """Train until `epochs` passes have been made in all, with as many threads as torch has been given.

        Args:
            device: a GPU that trains; None: the CPU. Without features, whose encoders are the CPU's.

        Raises:
            UserError: the loss is no longer a number, the device has not enough memory, or epochs are asked for that
                are after the config's, to whose end the step size falls.
        """
        if self.config.decay and epochs > self.config.epochs:
            raise UserError(
                f"{epochs} epochs are more than the config's {self.config.epochs}, at whose end the step size has "
                "fallen to 0: make another embedding with more epochs, or drop decay"
            )
        if device is not None:
            assert self.encoders is None
            self.working = DeviceTables(self.shards, self.tables, device)
        try:
            # A matrix product each, rather than all on one: see the file's docstring.
            with one_thread_each() as threads, ThreadPoolExecutor(threads) as executor:
                map_parts = map if threads == 1 else executor.map
                while self.epoch < epochs:
                    loss = self._pass(map_parts, telemetry)
                    if telemetry is not None:
                        metrics = {"epoch": self.epoch, "loss": loss}
                        telemetry.show(self.epoch * len(self.graph.train), metrics, last=self.epoch == epochs)
        finally:
            self.working = HostTables(self.shards, self.tables)

    def _pass(self, map_parts: Callable[..., Iterable[Any]], telemetry: Telemetry | None) -> float:
        """The visits of an epoch that are left; the mean loss of a question in them."""
        count = max(len(self.graph.train), 1)
        plan = visits(self.config.partitions, self.config.slots, start=self.epoch)
        self.batches.plan(plan)
        before = sum(self.batches.count(visit) for visit in plan[: self.visit])
        loss = done = 0.0  # of this epoch, since it began or was gone on with
        while True:
            visit = plan[self.visit]
            self.working.put(self.shards.bring(visit.shards))
            generator = np.random.default_rng([self.seed, 3, self.epoch, self.visit])
            for step, (edges, operator, batch) in enumerate(self.batches.of(visit, self.vectors_of, generator)):
                loss += self._step(operator, batch, self._times(self.epoch + (before + done) / count), map_parts)
                done += edges
                if not math.isfinite(loss):
                    raise UserError(f"the loss became {loss} in epoch {self.epoch + 1}: lower the learning rate")
                if telemetry is not None and step % 8 == 0 and telemetry.due():
                    metrics = {"epoch": self.epoch + 1, "loss": loss / (2 * done)}
                    telemetry.show(self.epoch * count + before + int(done), metrics)
            self.visit += 1
            if self.visit < len(plan):
                give_free_memory_back()
                self._save(plan[self.visit].shards)
                continue
            self.epoch, self.visit, mean = self.epoch + 1, 0, loss / (2 * max(done, 1))
            if telemetry is not None:
                telemetry.record(self.epoch * count, {"epoch": self.epoch, "loss": mean})
            self._save(())
            return mean

    def vectors_of(self, rows: np.ndarray) -> np.ndarray:
        """(U, D) what rows of the slots' table stand for now."""
        if self.encoders is not None:
            return self.encoders.vectors(self.shards, rows)
        return self.working.rows(rows)

    def _times(self, epochs: float) -> float:
        """By how much step sizes are multiplied when so many epochs have been made."""
        left = 1.0 - epochs / self.config.epochs
        return min(1.0, left / self.config.decay) if self.config.decay else 1.0

    def _step(self, operator: str, batch: Batch, times: float, map_parts: Callable[..., Iterable[Any]]) -> float:
        scoring = self.scorings[operator]
        if self.encoders is not None:
            return self.encoders.step(self.shards, self.tables[operator], batch, scoring, times, map_parts)
        return self.working.step(batch, scoring, times * self.config.learning_rate, map_parts)

    def _save(self, soon: tuple[int, ...]) -> None:
        self.working.fetch()
        if self.store is None:
            return
        state = {"epoch": self.epoch, "visit": self.visit, "graph": self._digest}
        tables = {f"relations_{name}": Shard(table._asdict()) for name, table in self.tables.items()}
        tables |= self.encoders.shards() if self.encoders else {}
        tables |= {"elsewhere": self.batches.elsewhere.shard()} if self.batches.elsewhere else {}
        self.shards.save(self.epoch * self._visits + self.visit, state, tables, soon)

    def _digest_of_all(self) -> str:
        """Of the names, the edges and how they are partitioned: what a checkpoint must agree with."""
        parts = self.graph.digest(), self.partition.counts, self.partition.shards, self.seed, self.relations.classes
        begun = "" if self.start is None else self.start.digest
        known = "" if self.encoders is None else self.encoders.digest
        if not self.relations.is_asked.all():
            begun += repr(self.relations.asked)
        if self.batches.elsewhere is not None:  # whose copies a checkpoint has
            begun += repr(self.batches.elsewhere.copies.shape)
        return hashlib.sha256((repr(parts) + begun + known).encode()).hexdigest()

    def vectors(self, out: np.ndarray) -> np.ndarray:
        """(N, D) every entity's vector, its row and what is made of its features, written into `out`."""
        rows = self.shards.vectors(out)
        return rows if self.encoders is None else self.encoders.add_to(rows)

    def _restore(self, state: dict[str, Any], shards: dict[str, dict[str, np.ndarray]], where: Path) -> None:
        if state["graph"] != self._digest:
            raise UserError(
                f"{where} was learned from other edges than these {self.graph}, or with other partitions, relations, "
                f"features, start or seed: restore them to go on, or choose another --run"
            )
        self.tables = {name: RelationTable(**shards[f"relations_{name}"]) for name in self.tables}
        if self.encoders is not None:
            self.encoders.restore(shards)
        if self.batches.elsewhere is not None:
            self.batches.elsewhere.restore(shards["elsewhere"])
        self.epoch, self.visit = state["epoch"], state["visit"]
        self.shards.restore(state["versions"])

    def __enter__(self) -> EdgeTrainer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.shards.__exit__(kind, error, trace)
        finally:
            if self.folder is not None:
                shutil.rmtree(self.folder / "buckets", ignore_errors=True)
