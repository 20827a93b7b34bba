"""The steps of a visit: from the edges of the shards in memory to batches of questions with their candidates.

What a visit draws comes from the generator it is given, and from nothing else.

**Why quality does not depend on P.** A question must meet every entity as a negative equally often. Given an entity
of shard a, in a visit of shards a and b, its negatives come from b, and 1/P of them from a itself: over an epoch that
is uniform. Drawn from both alike, half of its negatives would be shard-mates, which are 1/P of its answers, and the
model would learn to tell shards apart. But no more than that: shards that are never candidates of one question are
never compared, and entities that are frequent enough to be in every batch are not. `graphkit.embedding.elsewhere`
puts that right. Where all shards are in memory they are one table, and nothing of this is needed.

Axes: E edges, U rows, P shards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from graphkit.embedding.buckets import BLOCK, Buckets
from graphkit.embedding.config import EmbedConfig
from graphkit.embedding.elsewhere import Elsewhere
from graphkit.embedding.partition import Partition, Visit
from graphkit.embedding.questions import Batch, Grouped, KnownAnswers, pooled
from graphkit.embedding.relation_classes import Relations
from graphkit.graphs.graph import Graph
from neuralcore.mapped import give_free_memory_back


class EdgeBatches:
    """A graph's training edges, asked both ways.

    Args:
        graph, config, seed: of the training. partition: of the entities. relations: which are trained alike.
        folder: for the sorted edges; None if they are to stay in memory.

    Attributes:
        elsewhere: what is known of shards that are not in memory; None where all are.
    """

    def __init__(
        self,
        graph: Graph,
        config: EmbedConfig,
        seed: int,
        partition: Partition,
        relations: Relations,
        folder: Path | None,
    ):
        self.graph, self.config, self.seed, self.folder = graph, config, seed, folder
        self.partition, self.relations = partition, relations
        self._grouped: list[tuple[str, Grouped]] | None = None
        self._known: KnownAnswers | None = None
        self.elsewhere: Elsewhere | None = None
        if config.partitions > config.slots:
            sizes = np.diff(self.buckets.offsets).reshape(config.partitions, -1)
            drawn = config.batch_size, config.frequent_negatives
            self.elsewhere = Elsewhere(partition, relations.classes, config.dimension, sizes, *drawn)

    @functools.cached_property
    def buckets(self) -> Buckets:
        """The training edges, sorted by the shards of their ends; in files where there are several, or where the
        graph's are in files."""
        in_files = self.partition.shards > 1 or isinstance(self.graph.train, np.memmap)
        folder = self.folder / "buckets" if self.folder is not None and in_files else None
        return Buckets.of(self.graph.train, self.graph.weights, self.partition, self.seed, folder)

    def plan(self, visits: list[Visit]) -> None:
        """Take in an epoch's order of visits."""
        if self.elsewhere is not None:
            self.elsewhere.plan(visits)

    def count(self, visit: Visit) -> int:
        """How many edges a visit trains."""
        return sum(len(section) for section, _, _ in self._sections(visit))

    def _sections(self, visit: Visit) -> Iterator[tuple[range, int, int]]:
        """The stretches of sorted edges that a visit trains, each with the slots of its heads and its tails."""
        buckets, shards = self.buckets, visit.shards
        for slot, (part, parts) in visit.slices.items():
            yield buckets.slice(shards[slot], shards[slot], part, parts), slot, slot
        for a, b in visit.pairs:
            yield buckets.slice(shards[a], shards[b]), a, b
            yield buckets.slice(shards[b], shards[a]), b, a

    def of(
        self,
        visit: Visit,
        vectors: Callable[[np.ndarray], np.ndarray],
        generator: np.random.Generator,
    ) -> Iterator[tuple[float, str, Batch]]:
        """The steps of a visit: how many edges each answers for (a question is half an edge), operator and batch.

        Args:
            vectors: rows (U,) of the slots' table -> (U, D) what they stand for now.
        """
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
                    self.elsewhere.look(number, blocks[-1][0], visit, vectors, generator, first=part == 0)
            del rows, weights, mine
            if self.elsewhere is not None:
                give_free_memory_back()  # 17 MB by the end of a visit otherwise
            steps = [(n, start) for n, (mine, _) in enumerate(blocks) for start in range(0, len(mine), size)]
            # Where there are several classes, their steps are mixed.
            for step in generator.permutation(len(steps)) if len(blocks) > 1 else range(len(steps)):
                number, start = steps[step]
                edges, weight = blocks[number]
                some = slice(start, start + size)
                asked = edges[some].astype(np.int64)
                for batch in self._asked(number, asked, weight[some], edges, visit.shards, generator):
                    yield len(batch.given) / 2, self.relations.classes[number].operator, batch
            self.buckets.forget()
        if self.elsewhere is not None and rounds:
            self.elsewhere.leave()

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
        edges = edges.astype(np.int64)
        relations, kinds = self.relations, range(len(self.partition.counts))
        for operator in relations.operators:
            for kind in kinds:
                parts = []
                for given, answer, side, number in ((0, 2, "tail", 0), (2, 0, "head", 1)):
                    asks = np.array([getattr(c, side) for c in relations.classes])[relations.class_of] == kind
                    asks &= relations.is_asked[:, number]
                    shift = number * relations.counts[operator]
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
        """One of `parts` equal parts of every section: edges (E, 3) as rows of the slots' table, weights (E,).

        Edges are int32, as they are in their file: int64 would make a block of them 3 MB larger.
        """
        buckets, capacity = self.buckets, self.partition.capacity
        edges, weights = [], []
        for section, head_slot, tail_slot in sections:
            start, length = section.start, len(section)
            stretch = slice(start + length * part // parts, start + length * (part + 1) // parts)
            shift = np.array([head_slot * capacity, 0, tail_slot * capacity], np.int32)
            edges.append(buckets.edges[stretch] + shift)
            if buckets.weights is None:
                weights.append(np.ones(len(edges[-1]), np.float32))
            else:
                weights.append(np.asarray(buckets.weights[stretch]))
            if self.relations.weight_of is not None:
                weights[-1] = weights[-1] * self.relations.weight_of[edges[-1][:, 1]]
        return np.concatenate(edges), np.concatenate(weights)

    def _asked(
        self,
        number: int,
        edges: np.ndarray,
        weights: np.ndarray,
        block: np.ndarray,
        held: tuple[int, ...],
        generator: np.random.Generator,
    ) -> Iterator[Batch]:
        """The questions of a class's edges, tails and then heads, those given an entity of the same slot together.

        Args:
            block: the edges that this batch's are among. held: the shard in each slot.
        """
        mine, relations = self.relations.classes[number], len(self.graph.relations)
        row, half = self.relations.row_of[edges[:, 1]], self.relations.counts[mine.operator]
        slots = 1 if self.elsewhere is None else len(held)
        for side, given, answer, kind in ((0, 0, 2, mine.tail), (1, 2, 0, mine.head)):
            if side not in self.relations.asked[number]:
                continue
            of_slot = edges[:, given] // self.partition.capacity
            for slot in range(slots):
                some = np.flatnonzero(of_slot == slot) if slots > 1 else slice(None)
                here, asked = edges[some], row[some] + side * half
                if not len(here):
                    continue
                uniform = self._shares(slot, kind, mine.negatives, held)
                drawn = [self._uniform(kind, uniform, held, generator)]
                if self.config.frequent_negatives:
                    drawn.append(self._frequent(slot, slots, block, given, answer, generator))
                if self.config.given_negatives and mine.head == mine.tail:
                    drawn.append(here[:, given])
                known = None
                if self._known is not None:
                    known = self._known.of(here[:, given], here[:, 1] + side * relations)
                batch = pooled(here[:, given], asked, here[:, answer], weights[some], np.concatenate(drawn), known)
                if self.elsewhere is not None:
                    batch = self.elsewhere.judge(batch, number, side, slot, uniform, generator)
                yield batch

    def _shares(self, slot: int, kind: int, count: int, held: tuple[int, ...]) -> dict[int, int]:
        """Slot -> how many negatives of a type to draw from it, for questions that are given an entity of `slot`."""
        rows = [len(self.partition.rows_of(kind, shard)) for shard in held]
        if self.elsewhere is None:  # all that there are
            bounds = np.round(np.cumsum(rows) * (count / max(sum(rows), 1))).astype(int)
            return dict(enumerate(np.diff(bounds, prepend=0).tolist()))
        shares = {slot: round(count / self.partition.shards) if rows[slot] else 0}
        left, others = count - shares[slot], [s for s, n in enumerate(rows) if n and s != slot]
        for i, other in enumerate(others):
            shares[other] = left * (i + 1) // len(others) - left * i // len(others)
        return shares

    def _uniform(
        self, kind: int, shares: Mapping[int, int], held: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """Rows of a type, so many of each slot."""
        drawn = [np.zeros(0, np.int64)]
        for slot, share in shares.items():
            rows = self.partition.rows_of(kind, held[slot])
            if share:
                start = slot * self.partition.capacity
                drawn.append(start + generator.integers(rows.start, rows.stop, size=share))
        return np.concatenate(drawn)

    def _frequent(
        self, slot: int, slots: int, block: np.ndarray, given: int, answer: int, generator: np.random.Generator
    ) -> np.ndarray:
        """Answers of random edges, of those that give an entity of `slot`: entities by how often they are one.

        Where there are several slots, twice as many are drawn as are wanted, for some answer questions of another.
        """
        wanted = self.config.frequent_negatives
        if slots == 1:
            return block[generator.integers(len(block), size=wanted), answer]
        edges = block[generator.integers(len(block), size=2 * slots * wanted)]
        return edges[edges[:, given] // self.partition.capacity == slot, answer][:wanted]
