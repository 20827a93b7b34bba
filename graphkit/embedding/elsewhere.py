"""What is known, while some shards are in memory, of the entities that are not: fair negatives with partitions.

A question ought to be judged by candidates from everywhere, and every entity ought to be a negative of every question
equally often. With S of P shards in memory neither is so by itself: softmax against the answer's shard alone never
says how shards compare, and a node with 5 % of all edges, a negative of every batch where all is in memory, is one
only when its shard is there. Both are put right here (`neuralcore.scoring.apart` has the losses):

- *Judged*: copies of thousands of entities, as many of each shard as of any other, half of them drawn uniformly and
  half by how often they are an answer, stand for everywhere. They are as old as their shard's last visit, and stay as
  they are; those of shards in memory are taken anew.
  Of them each batch draws what it would have had in its pool: a row drawn twice is there once.
- *Moved*: a row in memory that is in a batch's pool moves `times` its gradient: how probably a batch of all edges
  would have had it, over how probably this one had, and over what share of such questions are asked while it is here.
  That is near 1 for all but the most frequent.

Without this, MRR on a power-law graph of 100,000 nodes fell from .097 to .075 from one partition to sixteen (two
passes, 1,000 edges held out).

Axes: P shards of C rows, S slots, Q = 2 x classes kinds of questions (tails, then heads), D numbers, K candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from graphkit.embedding.partition import Partition, Visit
from graphkit.embedding.questions import Batch
from graphkit.embedding.relation_classes import RelationClass
from neuralcore.checkpoint import Shard
from neuralcore.scoring.losses import Still

Vectors = Callable[[np.ndarray], np.ndarray]

NUMBERS = 1 << 21  # of all copies for a kind of question, 8 MiB; fewer where there are many kinds
LEAST = 16  # of a shard
TIMES = 4  # batches that are judged by the same copies: drawing them takes as long as a step


class Elsewhere:
    """Copies of entities from all shards, and how often those in memory have to move.

    Args:
        partition: P shards, more than there are slots. classes: of relations. dimension: D.
        counts: (P, P), how many edges go from each shard to each. batch_size, frequent: a batch's questions, and the
            negatives it draws by frequency.
    """

    def __init__(
        self,
        partition: Partition,
        classes: list[RelationClass],
        dimension: int,
        counts: np.ndarray,
        batch_size: int,
        frequent: int,
    ):
        self.partition, self.classes = partition, classes
        self.counts, self.batch_size, self.frequent = counts, batch_size, frequent
        kinds, shards = 2 * len(classes), partition.shards
        types = range(len(partition.counts))
        self._sizes = np.array([[len(partition.rows_of(kind, shard)) for shard in range(shards)] for kind in types])
        copies = NUMBERS // (dimension * max(len(classes) // 4, 1))
        self.half = min(max(copies // (2 * shards), LEAST), partition.capacity)
        self.copies = np.zeros((kinds, shards, 2 * self.half, dimension), np.float32)
        self.places = np.zeros((kinds, shards, 2 * self.half), np.int64)
        self.seen = np.zeros((kinds, shards), bool)
        self._drawn: dict[int, tuple[int, tuple[np.ndarray, np.ndarray]]] = {}  # kind: how often used, copies, places
        self._answers: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}  # (kind, slot): rows, their chances

    def plan(self, visits: list[Visit]) -> None:
        """Take in an epoch's order of visits."""
        shards = self.partition.shards
        self._together = np.zeros((2, shards, shards))  # share of a shard's questions asked while another is there
        self._parts = np.ones(shards)  # into how many a bucket within a shard is cut
        for visit in visits:
            asked = self._shares(visit)
            for slot, (_, parts) in visit.slices.items():
                one = visit.shards[slot]
                self._parts[one] = parts
                self._together[:, one, list(visit.shards)] += asked[:, one, None]

    def _shares(self, visit: Visit) -> np.ndarray:
        """(2, P): of the questions given a shard's entities, tails and heads, the share that a visit asks."""
        found = np.zeros((2, self.partition.shards))
        for side, counts in enumerate((self.counts, self.counts.T)):
            for slot, (_, parts) in visit.slices.items():
                shard = visit.shards[slot]
                found[side, shard] += counts[shard, shard] / parts
            for a, b in visit.pairs:
                one, other = visit.shards[a], visit.shards[b]
                found[side, one] += counts[one, other]
                found[side, other] += counts[other, one]
            found[side] /= np.maximum(counts.sum(1), 1)
        return found

    def look(
        self,
        number: int,
        edges: np.ndarray,
        visit: Visit,
        vectors: Vectors,
        generator: np.random.Generator,
        first: bool,
    ) -> None:
        """Take in the edges (E, 3), as rows of the slots' table, that a class is trained on next.

        Args:
            vectors: rows -> what they are now. first: whether the visit begins; then other entities are copied.
        """
        capacity = self.partition.capacity
        self._held, self._asked, self._drawn = np.array(visit.shards), self._shares(visit), {}
        self._vectors = vectors
        for side, (given, answer) in enumerate(((0, 2), (2, 0))):
            of_slot, rows = edges[:, given] // capacity, edges[:, answer]
            for slot, shard in enumerate(visit.shards):
                asked = rows[of_slot == slot]
                found, counts = np.unique(asked, return_counts=True)
                self._answers[2 * number + side, slot] = found.astype(np.int64), counts / max(len(asked), 1)
                if not first:
                    continue
                kind = self.classes[number].tail if side == 0 else self.classes[number].head
                could = self.partition.rows_of(kind, shard)
                if not len(could):
                    continue
                answers = rows[rows // capacity == slot]
                if not len(answers):
                    answers = slot * capacity + np.arange(could.start, could.stop)
                chosen = np.concatenate(
                    [
                        answers[generator.integers(len(answers), size=self.half)],
                        slot * capacity + generator.integers(could.start, could.stop, size=self.half),
                    ]
                )
                self.copies[2 * number + side, shard] = vectors(chosen)
                self.places[2 * number + side, shard] = shard * capacity + chosen % capacity
                self.seen[2 * number + side, shard] = True

    def leave(self) -> None:
        """Copy what is in memory as it is now, before some of it is gone."""
        for kind in range(len(self.seen)):
            for slot, shard in enumerate(self._held):
                if self.seen[kind, shard]:
                    self.copies[kind, shard] = self._now(slot, self.places[kind, shard])

    def _now(self, slot: int, places: np.ndarray) -> np.ndarray:
        capacity = self.partition.capacity
        return self._vectors(slot * capacity + places % capacity)

    def judge(
        self,
        batch: Batch,
        number: int,
        side: int,
        slot: int,
        uniform: dict[int, int],
        generator: np.random.Generator,
    ) -> Batch:
        """The batch, judged by copies, its candidates moving as often as they should.

        Args:
            number, side, slot: the class, whether heads are asked for, and where the given entities' shard is.
            uniform: slot -> negatives drawn uniformly from it.
        """
        assert batch.candidates is not None
        capacity, kind = self.partition.capacity, 2 * number + side
        of_type = self.classes[number].tail if side == 0 else self.classes[number].head
        copies, places = self._draw(kind, of_type, generator)
        row = batch.candidates[np.asarray(batch.answers.column)]
        answer = self._held[row // capacity] * capacity + row % capacity
        at = np.minimum(np.searchsorted(places, answer), len(places) - 1)
        question = np.flatnonzero(places[at] == answer)
        times = self._times(batch, kind, slot, uniform, of_type)
        still = Still(copies, times, (question, at[question]))  # type: ignore[arg-type]
        return batch._replace(answers=batch.answers._replace(still=still))

    def _draw(self, kind: int, of_type: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(M, D) copies, each once, and (M,) of what; the same for `TIMES` batches."""
        used, drawn = self._drawn.get(kind, (TIMES, None))
        if drawn is not None and used < TIMES:
            self._drawn[kind] = used + 1, drawn
            return drawn
        seen, flat = self.seen[kind], []
        for first, share, count in (
            (0, self.counts.sum(kind % 2), self.batch_size - 1 + self.frequent),
            (self.half, self._sizes[of_type], self.classes[kind // 2].negatives),
        ):
            bounds = np.cumsum(share * seen) / max((share * seen).sum(), 1e-30)
            shard = np.minimum(np.searchsorted(bounds, generator.random(count), side="right"), len(bounds) - 1)
            flat.append(shard * 2 * self.half + first + generator.integers(self.half, size=count))
        chosen = np.concatenate(flat)
        places, first_of = np.unique(self.places[kind].reshape(-1)[chosen], return_index=True)
        copies = self.copies[kind].reshape(-1, self.copies.shape[-1])[chosen[first_of]]
        for slot, of in enumerate(self._held):  # which are there as they are
            mine = np.flatnonzero(places // self.partition.capacity == of)
            copies[mine] = self._now(slot, places[mine])
        drawn = copies, places
        self._drawn[kind] = 1, drawn
        return drawn

    def _times(
        self,
        batch: Batch,
        kind: int,
        slot: int,
        uniform: Mapping[int, int],
        of_type: int,
    ) -> np.ndarray:
        """(K,) float32; see the file's docstring."""
        assert batch.candidates is not None
        side, given, sizes = kind % 2, self._held[slot], self._sizes[of_type]
        rows, chances = self._answers[kind, slot]
        at = np.minimum(np.searchsorted(rows, batch.candidates), len(rows) - 1)
        chance = np.where(rows[at] == batch.candidates, chances[at], 0.0)
        of_slot = batch.candidates // self.partition.capacity
        # Of all the questions given that shard: those of a bucket within it are spread over several visits.
        of_all = chance * self._asked[side, given] * np.where(of_slot == slot, self._parts[given], 1.0)
        everywhere = (self.batch_size - 1 + self.frequent) * of_all + sum(uniform.values()) / max(sizes.sum(), 1)
        drawn = np.array([uniform.get(s, 0) / max(sizes[shard], 1) for s, shard in enumerate(self._held)])
        here = (len(batch.given) - 1 + self.frequent) * chance + drawn[of_slot]
        # Of the questions that it is no answer to; it is here whenever it is one.
        together = (self._together[side, given, self._held][of_slot] - of_all) / np.maximum(1.0 - of_all, 1e-30)
        ratio = -np.expm1(-everywhere) / np.maximum(-np.expm1(-here) * together, 1e-30)
        return np.minimum(ratio, self.partition.shards).astype(np.float32)

    def shard(self) -> Shard:
        """What a checkpoint keeps."""
        return Shard({"copies": self.copies, "places": self.places, "seen": self.seen.astype(np.uint8)})

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `shard` gave."""
        self.copies[:], self.places[:], self.seen[:] = arrays["copies"], arrays["places"], arrays["seen"] != 0
