"""Training on a graph's edges, with the entities' table in memory or in parts of it: what `GraphEmbedding.fit` runs.

A step (op `edge_step`) is a batch of questions of one side, against a pool of candidates they share
(`graphkit.questions`). With P partitions an epoch is a list of visits (`graphkit.partition`): each has some shards in
memory (`graphkit.shards`), trains its buckets of edges (`graphkit.buckets`) and ends with a checkpoint.

**Why quality does not depend on P.** A question must meet every entity as a negative equally often. Given an entity
of shard a, in a visit of shards a and b, its negatives come from b, and 1/P of them from a itself: over an epoch that
is uniform. Drawn from both alike, half of its negatives would be shard-mates, which are 1/P of its answers, and the
model would learn to tell shards apart; drawn from the answer's shard alone (as PyTorch-BigGraph does), scores of
different shards would never be compared. The batch's own answers come in the right proportion by themselves, for a
bucket within a shard is spread over all visits of that shard.

What a visit draws depends on the seed, the epoch and its number alone, so a run that goes on from a checkpoint does
what the uninterrupted one does. The questions of a step are cut into parts, which run on threads and are summed in
order, each product on one thread: the same seed gives the same bytes on any number of threads, and no thread waits at
a spinning barrier (on two cores shared with another process that made a step 19 times slower).

Axes: N entities, R relations, D and W numbers of an entity and a relation, E edges.
"""

from __future__ import annotations

import functools
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from graphkit.buckets import BLOCK, Buckets
from graphkit.embed_config import EmbedConfig
from graphkit.graph import Graph
from graphkit.partition import Partition, Visit, visits
from graphkit.questions import Batch, Grouped, KnownAnswers, pooled
from graphkit.shards import Shards, is_shard
from neuralcore.checkpoint import CheckpointStore, Shard
from neuralcore.errors import UserError
from neuralcore.kernels.edge_step import Scoring, edge_step
from neuralcore.scoring.operators import OPERATORS
from neuralcore.telemetry import Telemetry

Report = Callable[[int, dict[str, float]], None]


class EdgeTrainer:
    """The tables, how far training has come, and the loop. A context manager: leaving it waits for the disk.

    Args:
        graph: what is learned from. config: see `EmbedConfig`. seed: of everything random.
        folder: for the sorted edges and the checkpoints, from which it goes on; None if all is to stay in memory.

    Attributes:
        shards: the entities' table. relations: (2 R, W) float32; row r serves (h, r, ?), row R + r serves (?, r, t).
        epoch, visit: passes done, and visits done of the present one.
    """

    def __init__(self, graph: Graph, config: EmbedConfig, seed: int, folder: Path | None = None):
        if folder is None and config.partitions > config.slots:
            raise ValueError("partitions that are not in memory need a folder")
        self.graph, self.config, self.seed, self.folder = graph, config, seed, folder
        self.store = None if folder is None else CheckpointStore(folder / "checkpoints")
        self.partition = Partition(len(graph.entities), config.partitions, seed)
        self.shards = Shards(self.partition, config.dimension, config.slots, self._begin, self.store)
        operator, count = OPERATORS[config.operator], 2 * len(graph.relations)
        generator, shape = np.random.default_rng([seed, 1]), (count, operator.width(config.dimension))
        if config.operator == "rotation":  # whose neutral element is one angle of many
            first = generator.uniform(-math.pi, math.pi, shape)
        else:
            first = operator.neutral(config.dimension).numpy() + generator.normal(0.0, config.init_scale, shape)
        self.relations = first.astype(np.float32)
        self.relation_state = np.zeros(shape, np.float32)
        margin = 1.0 if config.margin is None else config.margin
        self.scoring = Scoring(config.operator, config.comparator, config.loss, margin, config.n3, config.l2)
        self.epoch = self.visit = 0
        self._buckets: Buckets | None = None
        self._grouped: Grouped | None = None
        self._known: KnownAnswers | None = None
        checkpoint = self.store.load(later=is_shard) if self.store else None
        if checkpoint is not None:
            self._restore(checkpoint.state, checkpoint.shards, checkpoint.folder)

    def _begin(self, shard: int, weight: np.ndarray, state: np.ndarray) -> None:
        generator = np.random.default_rng([self.seed, 2, shard])
        for start in range(0, len(weight), 4096):  # random numbers come as float64: not all of them at once
            rows = weight[start : start + 4096]
            rows[:] = generator.normal(0.0, self.config.init_scale, rows.shape)
        state[:] = 0.0

    def fit(self, epochs: int, telemetry: Telemetry | None = None) -> None:
        """Train until `epochs` passes have been made in all, with as many threads as torch has been given.

        Raises:
            UserError: the loss is no longer a number.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a matrix product each, rather than all on one: see the file's docstring
        try:
            with ThreadPoolExecutor(threads) as executor:
                map_parts = map if threads == 1 else executor.map
                while self.epoch < epochs:
                    self._pass(map_parts, telemetry)
        finally:
            torch.set_num_threads(threads)

    def _pass(self, map_parts: Callable[..., Iterable[Any]], telemetry: Telemetry | None) -> None:
        """The visits of an epoch that are left."""
        count = len(self.graph.train)
        plan = visits(self.config.partitions, self.config.slots, start=self.epoch)
        before = sum(len(section) for visit in plan[: self.visit] for section, _, _ in self._sections(visit))
        loss = done = 0.0  # of this epoch, since it began or was gone on with
        while self.visit < len(plan):
            visit = plan[self.visit]
            self.shards.bring(visit.shards)
            generator = np.random.default_rng([self.seed, 3, self.epoch, self.visit])
            for step, (edges, batch) in enumerate(self._batches(visit, generator)):
                loss += self._step(batch, map_parts)
                done += edges
                if not math.isfinite(loss):
                    raise UserError(f"the loss became {loss} in epoch {self.epoch + 1}: lower the learning rate")
                if telemetry is not None and step % 8 == 0 and telemetry.due():
                    metrics = {"epoch": self.epoch + 1, "loss": loss / (2 * done)}
                    telemetry.show(self.epoch * count + before + int(done), metrics)
            self.visit += 1
            soon = plan[self.visit].shards if self.visit < len(plan) else ()
            if not soon:
                self.epoch, self.visit = self.epoch + 1, 0
                if telemetry is not None:
                    telemetry.record(self.epoch * count, {"epoch": self.epoch, "loss": loss / (2 * max(done, 1))})
            self._save(soon)
            if not soon:
                return

    def _sections(self, visit: Visit) -> Iterator[tuple[range, int, int]]:
        """The stretches of sorted edges that a visit trains, each with the slots of its heads and its tails."""
        buckets, shards = self.buckets, visit.shards
        for slot, (part, parts) in visit.slices.items():
            yield buckets.slice(shards[slot], shards[slot], part, parts), slot, slot
        for a, b in visit.pairs:
            yield buckets.slice(shards[a], shards[b]), a, b
            yield buckets.slice(shards[b], shards[a]), b, a

    @property
    def buckets(self) -> Buckets:
        """The training edges, sorted by the shards of their ends; in files where there is more than one shard."""
        if self._buckets is None:
            folder = None if self.folder is None or self.partition.shards == 1 else self.folder / "buckets"
            self._buckets = Buckets.of(self.graph.train, self.graph.weights, self.partition, self.seed, folder)
        return self._buckets

    def _batches(self, visit: Visit, generator: np.random.Generator) -> Iterator[tuple[float, Batch]]:
        """The steps of a visit, each with the number of edges it answers for (half an edge a question)."""
        config = self.config
        if config.all_negatives:
            if self._grouped is None:
                buckets = self.buckets
                self._grouped = Grouped(buckets.edges, buckets.weights, len(self.graph.relations), config.filtered)
            for batch in self._grouped.batches(generator, config.batch_size):
                yield len(batch.answers.question) / 2, batch
            return
        if config.filtered and self._known is None:
            self._known = KnownAnswers(self.buckets.edges, len(self.graph.relations), self.partition.capacity)
        sections = list(self._sections(visit))
        rounds = -(-sum(len(section) for section, _, _ in sections) // BLOCK)
        for part in range(rounds):
            rows, weights = self._load(sections, part, rounds)
            mixed = generator.permutation(len(rows))
            rows, weights = rows[mixed], weights[mixed]
            size = config.batch_size * len(visit.shards)  # so that there are as many questions of each kind in a step
            for start in range(0, len(rows), size):
                some = slice(start, start + size)
                yield from self._asked(rows[some], weights[some], rows, generator)
            self.buckets.forget()

    def _load(self, sections: list[tuple[range, int, int]], part: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
        """One of `parts` equal parts of every section: edges (E, 3) as rows of the slots' table, weights (E,)."""
        buckets, capacity = self.buckets, self.partition.capacity
        edges, weights = [], []
        for section, head_slot, tail_slot in sections:
            start, length = section.start, len(section)
            stretch = slice(start + length * part // parts, start + length * (part + 1) // parts)
            shift = np.array([head_slot * capacity, 0, tail_slot * capacity])
            edges.append(buckets.edges[stretch] + shift)
            if buckets.weights is None:
                weights.append(np.ones(len(edges[-1]), np.float32))
            else:
                weights.append(np.asarray(buckets.weights[stretch]))
        return np.concatenate(edges), np.concatenate(weights)

    def _asked(
        self, edges: np.ndarray, weights: np.ndarray, block: np.ndarray, generator: np.random.Generator
    ) -> Iterator[tuple[float, Batch]]:
        """The questions of some edges, tails and then heads, those given an entity of the same slot together."""
        relations = len(self.graph.relations)
        for given, answer, shift in ((0, 2, 0), (2, 0, relations)):
            slots = edges[:, given] // self.partition.capacity
            for slot in range(len(self.shards.held)):
                mine = edges[slots == slot] if len(self.shards.held) > 1 else edges
                if not len(mine):
                    continue
                weight = weights[slots == slot] if len(self.shards.held) > 1 else weights
                negatives = self._negatives(slot, block, given, answer, generator)
                yield (
                    len(mine) / 2,
                    pooled(mine[:, given], mine[:, 1] + shift, mine[:, answer], weight, negatives, self._known),
                )

    def _negatives(
        self, slot: int, block: np.ndarray, given: int, answer: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Rows for questions that are given an entity of a slot; see the file's docstring."""
        config, capacity, held = self.config, self.partition.capacity, self.shards.held
        others = [other for other in range(len(held)) if other != slot]
        own = config.negatives if not others else round(config.negatives / self.partition.shards)
        drawn = [slot * capacity + generator.integers(self.partition.size(held[slot]), size=own)]
        for i, other in enumerate(others):
            count = (config.negatives - own) * (i + 1) // len(others) - (config.negatives - own) * i // len(others)
            drawn.append(other * capacity + generator.integers(self.partition.size(held[other]), size=count))
        if config.frequent_negatives:
            # A random edge's answer is an entity drawn by how often it is one; twice as many as are wanted, for some
            # of them answer questions of another slot.
            edges = block[generator.integers(len(block), size=2 * len(held) * config.frequent_negatives)]
            drawn.append(edges[edges[:, given] // capacity == slot, answer][: config.frequent_negatives])
        return np.concatenate(drawn)

    def _step(self, batch: Batch, map_parts: Callable[..., Iterable[Any]]) -> float:
        return edge_step(
            self.shards.table.weight,
            self.shards.table.state,
            self.relations,
            self.relation_state,
            *batch,
            scoring=self.scoring,
            learning_rate=self.config.learning_rate,
            map_parts=map_parts,
        )

    def _save(self, soon: tuple[int, ...]) -> None:
        if self.store is None:
            return
        total = len(visits(self.config.partitions, self.config.slots))
        state = {"epoch": self.epoch, "visit": self.visit, "graph": self._digest}
        relations = Shard({"weight": self.relations, "state": self.relation_state})
        self.shards.save(self.epoch * total + self.visit, state, {"relations": relations}, soon)

    @functools.cached_property
    def _digest(self) -> str:
        """Of the names, the edges and how they are partitioned: what a checkpoint must agree with."""
        return f"{self.graph.digest()}/{self.partition.shards}/{self.seed}"

    def _restore(self, state: dict[str, Any], shards: dict[str, dict[str, np.ndarray]], where: Path) -> None:
        if state["graph"] != self._digest:
            raise UserError(
                f"{where} was learned from other edges than these {self.graph}, or with other partitions or another "
                f"seed: restore them to go on, or choose another --run"
            )
        self.relations, self.relation_state = shards["relations"]["weight"], shards["relations"]["state"]
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
