"""Training on a graph's edges, with the entities' table in memory or in parts of it: what `GraphEmbedding.fit` runs.

A step (op `edge_step`) is a batch of questions of one side, against a pool of candidates they share
(`graphkit.embedding.questions`). With P partitions an epoch is a list of visits (`graphkit.embedding.partition`):
each has some shards in memory (`graphkit.embedding.shards`), trains its buckets of edges
(`graphkit.embedding.buckets`) and ends with a checkpoint.

**Why quality does not depend on P.** A question must meet every entity as a negative equally often. Given an entity
of shard a, in a visit of shards a and b, its negatives come from b, and 1/P of them from a itself: over an epoch that
is uniform. Drawn from both alike, half of its negatives would be shard-mates, which are 1/P of its answers, and the
model would learn to tell shards apart. But no more than that: shards that are never candidates of one question are
never compared, and entities that are frequent enough to be in every batch are not. `graphkit.embedding.elsewhere`
puts that right. Where all shards are in memory they are one table, and nothing of this is needed.

What a visit draws depends on the seed, the epoch and its number alone, so a run that goes on from a checkpoint does
what the uninterrupted one does. The questions of a step are cut into parts, which run on threads and are summed in
order, each product on one thread: the same seed gives the same bytes on any number of threads, and no thread waits at
a spinning barrier (on two cores shared with another process that made a step 19 times slower).

Axes: N entities, R relations, D and W numbers of an entity and a relation, E edges.
"""

from __future__ import annotations

import functools
import hashlib
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from graphkit.embedding.buckets import BLOCK, Buckets
from graphkit.embedding.config import EmbedConfig, RelationConfig
from graphkit.embedding.elsewhere import Elsewhere
from graphkit.embedding.features import FeatureEncoders, Features
from graphkit.embedding.partition import Partition, Visit, visits
from graphkit.embedding.questions import Batch, Grouped, KnownAnswers, pooled
from graphkit.embedding.relation_classes import Relations, RelationTable
from graphkit.embedding.shards import Shards, is_shard
from graphkit.embedding.warm_start import GraphWarmStart
from graphkit.graphs.graph import Graph
from neuralcore.checkpoint import CheckpointStore, Shard
from neuralcore.embedding import blocks
from neuralcore.errors import UserError
from neuralcore.kernels.edge_step import Scoring, edge_step
from neuralcore.telemetry import Telemetry

Report = Callable[[int, dict[str, float]], None]


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
        self.scorings = {
            name: Scoring(name, config.comparator, config.loss, margin, config.n3, config.l2) for name in self.tables
        }
        self.epoch = self.visit = 0
        plan = visits(config.partitions, config.slots)
        self._visits = len(plan)
        self._buckets: Buckets | None = None
        self._grouped: list[tuple[str, Grouped]] | None = None
        self._known: KnownAnswers | None = None
        self.elsewhere: Elsewhere | None = None
        if config.partitions > config.slots:
            sizes = np.diff(self.buckets.offsets).reshape(config.partitions, -1)
            classes, drawn = self.relations.classes, (config.batch_size, config.frequent_negatives)
            self.elsewhere = Elsewhere(self.partition, classes, config.dimension, sizes, *drawn)
            self.elsewhere.plan(plan)
        checkpoint = self.store.load(later=is_shard) if self.store else None
        if checkpoint is not None:
            self._restore(checkpoint.state, checkpoint.shards, checkpoint.folder)

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
                    loss = self._pass(map_parts, telemetry)
                    if telemetry is not None:
                        metrics = {"epoch": self.epoch, "loss": loss}
                        telemetry.show(self.epoch * len(self.graph.train), metrics, last=self.epoch == epochs)
        finally:
            torch.set_num_threads(threads)

    def _pass(self, map_parts: Callable[..., Iterable[Any]], telemetry: Telemetry | None) -> float:
        """The visits of an epoch that are left; the mean loss of a question in them."""
        count = len(self.graph.train)
        plan = visits(self.config.partitions, self.config.slots, start=self.epoch)
        if self.elsewhere is not None:
            self.elsewhere.plan(plan)
        before = sum(len(section) for visit in plan[: self.visit] for section, _, _ in self._sections(visit))
        loss = done = 0.0  # of this epoch, since it began or was gone on with
        while True:
            visit = plan[self.visit]
            self.shards.bring(visit.shards)
            generator = np.random.default_rng([self.seed, 3, self.epoch, self.visit])
            for step, (edges, operator, batch) in enumerate(self._batches(visit, generator)):
                loss += self._step(operator, batch, map_parts)
                done += edges
                if not math.isfinite(loss):
                    raise UserError(f"the loss became {loss} in epoch {self.epoch + 1}: lower the learning rate")
                if telemetry is not None and step % 8 == 0 and telemetry.due():
                    metrics = {"epoch": self.epoch + 1, "loss": loss / (2 * done)}
                    telemetry.show(self.epoch * count + before + int(done), metrics)
            self.visit += 1
            if self.visit < len(plan):
                self._save(plan[self.visit].shards)
                continue
            self.epoch, self.visit, mean = self.epoch + 1, 0, loss / (2 * max(done, 1))
            if telemetry is not None:
                telemetry.record(self.epoch * count, {"epoch": self.epoch, "loss": mean})
            self._save(())
            return mean

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
        """The training edges, sorted by the shards of their ends; in files where there are several, or where the
        graph's are in files."""
        if self._buckets is None:
            in_files = self.partition.shards > 1 or isinstance(self.graph.train, np.memmap)
            folder = self.folder / "buckets" if self.folder is not None and in_files else None
            self._buckets = Buckets.of(self.graph.train, self.graph.weights, self.partition, self.seed, folder)
        return self._buckets

    def _batches(self, visit: Visit, generator: np.random.Generator) -> Iterator[tuple[float, str, Batch]]:
        """The steps of a visit: how many edges each answers for (a question is half an edge), operator and batch."""
        config = self.config
        if config.all_negatives:
            yield from self._against_all(generator)
            return
        if config.filtered and self._known is None:
            self._known = KnownAnswers(self.buckets.edges, len(self.graph.relations), self.partition.capacity)
        sections = list(self._sections(visit))
        # Questions given entities of different shards have different pools: as many of each as in one table.
        size = config.batch_size * (1 if self.elsewhere is None else len(visit.shards))
        rounds = -(-sum(len(section) for section, _, _ in sections) // BLOCK)
        for part in range(rounds):
            rows, weights = self._load(sections, part, rounds)
            blocks = []
            for number in range(len(self.relations.classes)):
                mine = np.flatnonzero(self.relations.class_of[rows[:, 1]] == number)
                mine = generator.permutation(mine)
                blocks.append((rows[mine], weights[mine]))
                if self.elsewhere is not None:
                    now = self._vectors if part == 0 else None
                    self.elsewhere.look(number, blocks[-1][0], visit, now, generator)
            steps = [(n, start) for n, (mine, _) in enumerate(blocks) for start in range(0, len(mine), size)]
            # Where there are several classes, their steps are mixed.
            for step in generator.permutation(len(steps)) if len(blocks) > 1 else range(len(steps)):
                number, start = steps[step]
                edges, weight = blocks[number]
                some = slice(start, start + size)
                for batch in self._asked(number, edges[some], weight[some], edges, generator):
                    yield len(batch.given) / 2, self.relations.classes[number].operator, batch
            self.buckets.forget()

    def _against_all(self, generator: np.random.Generator) -> Iterator[tuple[float, str, Batch]]:
        """Every question once, against all entities of the type that is asked for."""
        if self._grouped is None:
            self._grouped = list(self._group())
        steps = [
            (operator, batch)
            for operator, grouped in self._grouped
            for batch in grouped.batches(generator, self.config.batch_size)
        ]
        for step in generator.permutation(len(steps)) if len(self._grouped) > 1 else range(len(steps)):
            operator, batch = steps[step]
            yield len(batch.answers.question) / 2, operator, batch

    def _group(self) -> Iterator[tuple[str, Grouped]]:
        """The questions of each operator and type that is asked for."""
        edges, weights = self._load([(self.buckets.slice(0, 0), 0, 0)], 0, 1)
        relations, kinds = self.relations, range(len(self.partition.counts))
        for operator in relations.operators:
            for kind in kinds:
                parts = []
                for given, answer, side, number in ((0, 2, "tail", 0), (2, 0, "head", 1)):
                    asks = np.array([getattr(c, side) for c in relations.classes])[relations.class_of] == kind
                    asks &= relations.is_asked[:, number]
                    shift = number * self.tables[operator].half
                    mine = np.flatnonzero((asks & (relations.operator_of == operator))[edges[:, 1]])
                    some = edges[mine]
                    asked = relations.row_of[some[:, 1]] + shift
                    parts.append((some[:, given], asked, some[:, answer], weights[mine]))
                given_rows, asked, answers, counts = (np.concatenate(column) for column in zip(*parts))
                if len(given_rows):
                    candidates = self.partition.rows_of(kind, 0) if len(kinds) > 1 else None
                    grouped = Grouped(given_rows, asked, answers, counts, candidates, self.config.filtered)
                    yield operator, grouped

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
            if self.relations.weight_of is not None:
                weights[-1] = weights[-1] * self.relations.weight_of[edges[-1][:, 1]]
        return np.concatenate(edges), np.concatenate(weights)

    def _asked(
        self, number: int, edges: np.ndarray, weights: np.ndarray, block: np.ndarray, generator: np.random.Generator
    ) -> Iterator[Batch]:
        """The questions of a class's edges, tails and then heads, those given an entity of the same slot together."""
        mine, relations = self.relations.classes[number], len(self.graph.relations)
        row, half = self.relations.row_of[edges[:, 1]], self.tables[mine.operator].half
        slots = 1 if self.elsewhere is None else len(self.shards.held)
        for side, given, answer, kind in ((0, 0, 2, mine.tail), (1, 2, 0, mine.head)):
            if side not in self.relations.asked[number]:
                continue
            of_slot = edges[:, given] // self.partition.capacity
            for slot in range(slots):
                some = np.flatnonzero(of_slot == slot) if slots > 1 else slice(None)
                here, asked = edges[some], row[some] + side * half
                if not len(here):
                    continue
                uniform = self._shares(slot, kind, mine.negatives)
                drawn = [self._uniform(kind, uniform, generator)]
                if self.config.frequent_negatives:
                    drawn.append(self._frequent(slot if slots > 1 else None, block, given, answer, generator))
                if self.config.given_negatives and mine.head == mine.tail:
                    drawn.append(here[:, given])
                known = None
                if self._known is not None:
                    known = self._known.of(here[:, given], here[:, 1] + side * relations)
                batch = pooled(here[:, given], asked, here[:, answer], weights[some], np.concatenate(drawn), known)
                if self.elsewhere is not None:
                    batch = self.elsewhere.judge(batch, number, side, slot, uniform, generator)
                yield batch

    def _shares(self, slot: int, kind: int, count: int) -> dict[int, int]:
        """Slot -> how many negatives of a type to draw from it, for questions that are given an entity of `slot`."""
        rows = [len(self.partition.rows_of(kind, shard)) for shard in self.shards.held]
        if self.elsewhere is None:  # all that there are
            bounds = np.round(np.cumsum(rows) * (count / max(sum(rows), 1))).astype(int)
            return dict(enumerate(np.diff(bounds, prepend=0).tolist()))
        shares = {slot: round(count / self.partition.shards) if rows[slot] else 0}
        left, others = count - shares[slot], [s for s, n in enumerate(rows) if n and s != slot]
        for i, other in enumerate(others):
            shares[other] = left * (i + 1) // len(others) - left * i // len(others)
        return shares

    def _uniform(self, kind: int, shares: Mapping[int, int], generator: np.random.Generator) -> np.ndarray:
        """Rows of a type, so many of each slot."""
        drawn = [np.zeros(0, np.int64)]
        for slot, share in shares.items():
            rows = self.partition.rows_of(kind, self.shards.held[slot])
            if share:
                start = slot * self.partition.capacity
                drawn.append(start + generator.integers(rows.start, rows.stop, size=share))
        return np.concatenate(drawn)

    def _frequent(
        self, slot: int | None, block: np.ndarray, given: int, answer: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Answers of random edges, by default of all: entities by how often they are one.

        Twice as many are drawn as are wanted, for some answer questions of another slot.
        """
        wanted = self.config.frequent_negatives
        if slot is None:
            return block[generator.integers(len(block), size=wanted), answer]
        edges = block[generator.integers(len(block), size=2 * len(self.shards.held) * wanted)]
        return edges[edges[:, given] // self.partition.capacity == slot, answer][:wanted]

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        """(U, D) what rows of the slots' table stand for now."""
        if self.encoders is not None:
            return self.encoders.vectors(self.shards, rows)
        return self.shards.table.weight[rows]

    def _step(self, operator: str, batch: Batch, map_parts: Callable[..., Iterable[Any]]) -> float:
        if self.encoders is not None:
            return self.encoders.step(self.shards, self.tables[operator], batch, self.scorings[operator], map_parts)
        return edge_step(
            self.shards.table.weight,
            self.shards.table.state,
            *self.tables[operator],
            batch.given,
            batch.asked,
            batch.candidates,
            batch.answers,
            scoring=self.scorings[operator],
            learning_rate=self.config.learning_rate,
            map_parts=map_parts,
        )

    def _save(self, soon: tuple[int, ...]) -> None:
        if self.store is None:
            return
        state = {"epoch": self.epoch, "visit": self.visit, "graph": self._digest}
        tables = {f"relations_{name}": Shard(table._asdict()) for name, table in self.tables.items()}
        tables |= self.encoders.shards() if self.encoders else {}
        tables |= {"elsewhere": self.elsewhere.shard()} if self.elsewhere else {}
        self.shards.save(self.epoch * self._visits + self.visit, state, tables, soon)

    @functools.cached_property
    def _digest(self) -> str:
        """Of the names, the edges and how they are partitioned: what a checkpoint must agree with."""
        parts = self.graph.digest(), self.partition.counts, self.partition.shards, self.seed, self.relations.classes
        begun = "" if self.start is None else self.start.digest
        known = "" if self.encoders is None else self.encoders.digest
        if not self.relations.is_asked.all():
            begun += repr(self.relations.asked)
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
        if self.elsewhere is not None:
            self.elsewhere.restore(shards["elsewhere"])
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
