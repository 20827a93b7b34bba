"""Which shard an entity lies in, and in which order shards meet, when a graph's table does not fit in memory.

Lerer et al. 2019, "PyTorch-BigGraph: A Large-scale Graph Embedding System", https://arxiv.org/abs/1903.12287, section
4.1: entities in P shards, edges in P x P buckets; a bucket is trained with its two shards in memory. Here a *visit*
holds S shards (two, or as many as there is room for) and trains every bucket among them that has not had its turn, in
both directions at once. A bucket within a shard is spread over all the visits of that shard, a slice each, so that no
visit consists of a shard's own edges alone.

Entities are spread at random, so each bucket is a fair sample of the graph's edges.

Axes: N entities, P shards of C rows, S slots in memory.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Partition:
    """Entities in P shards of `capacity` rows each, every type spread evenly over all of them.

    In a shard the entities of a type lie together, at the same rows in every shard; where a type does not divide by
    P, its last row is not used in some. With one shard entities keep their places; with more, `seed` decides.

    Args:
        counts: of the entities of each type; types follow one another in the entities' order.
        shards: P. seed: of the spreading.
    """

    counts: tuple[int, ...]
    shards: int
    seed: int = 0

    @property
    def entities(self) -> int:
        """N."""
        return sum(self.counts)

    @property
    def capacity(self) -> int:
        """C, rows of a shard."""
        return sum(-(-count // self.shards) for count in self.counts)

    def rows_of(self, kind: int, shard: int) -> range:
        """The rows within a shard that have entities of a type."""
        start = sum(-(-count // self.shards) for count in self.counts[:kind])
        return range(start, start + (self.counts[kind] - shard + self.shards - 1) // self.shards)

    def places(self) -> np.ndarray:
        """(N,) where each entity is, as shard · C + row; int32 if that holds them."""
        dtype = np.int32 if self.shards * self.capacity < 2**31 else np.int64
        if self.shards == 1:
            return np.arange(self.entities, dtype=dtype)
        generator = np.random.default_rng([self.seed, self.entities])
        found = []
        for kind, count in enumerate(self.counts):
            order = generator.permutation(np.arange(count, dtype=dtype))
            found.append(order % self.shards * self.capacity + self.rows_of(kind, 0).start + order // self.shards)
        return np.concatenate(found)

    def members(self, shard: int, places: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The entities of a shard, and the row of each; `places` saves making them again."""
        places = self.places() if places is None else places
        entities = np.flatnonzero(places // self.capacity == shard)
        return entities, places[entities] % self.capacity


class Visit(NamedTuple):
    """A time during which the same shards are in memory.

    Attributes:
        shards: of each slot.
        pairs: (slot, slot) whose buckets, in both directions, are trained now.
        slices: slot -> (k, n): of the bucket within that shard, slice k of n is trained now.
    """

    shards: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    slices: dict[int, tuple[int, int]]


def visits(shards: int, slots: int, start: int = 0) -> list[Visit]:
    """An order in which every two shards meet once, and little is read.

    With two slots, visits that follow each other share a shard, so each reads one: the least there can be. Of such
    orders this one passes by all shards before it comes to any for the third time (`_zigzags`), so that all of them
    have been trained alike at any time; an order that is done with one shard after the other reads as little, but
    trains the first of them against others that still are as they began.

    With more slots, S - 1 shards stay while every other one comes to each in the last slot; then those S - 1 are done
    with (the order BETA of Mohoney et al. 2021, "Marius", https://arxiv.org/abs/2101.08358, section 4).

    Args:
        slots: S, 2 or more. start: which shard is called the first, if not all are in memory.

    >>> [v.shards for v in visits(4, 2)]
    [(0, 1), (3, 1), (3, 2), (3, 0), (2, 0), (2, 1)]
    """
    if shards <= slots:
        states, start = [tuple(range(shards))], 0
    elif slots == 2:
        states = _zigzags(shards)
    else:
        states, left = [], list(range(shards))
        while len(left) > 1:
            staying, coming = left[: slots - 1], left[slots - 1 :]
            states += [(*staying, other) for other in coming] or [tuple(staying)]
            # The last to come is in memory already: it stays next.
            left = [*coming[-1:], *coming[:-1]]
    times = {shard: sum(shard in state for state in states) for shard in range(shards)}
    seen = dict.fromkeys(range(shards), 0)
    met: set[tuple[int, int]] = set()
    held: list[int] = []
    found = []
    for state in states:
        # A shard that stays keeps its slot; the others take those of shards that are done with.
        free = [slot for slot, shard in enumerate(held) if shard not in state]
        for shard in state:
            if shard in held:
                continue
            if free:
                held[free.pop()] = shard
            else:
                held.append(shard)
        new = [pair for pair in itertools.combinations(sorted(state), 2) if pair not in met]
        met.update(new)
        pairs = tuple((held.index(a), held.index(b)) for a, b in new)
        slices = {held.index(shard): (seen[shard], times[shard]) for shard in state}
        seen.update((shard, seen[shard] + 1) for shard in state)
        found.append(Visit(tuple((shard + start) % shards for shard in held), pairs, slices))
    return found


def _zigzags(shards: int) -> list[tuple[int, ...]]:
    """Every two shards once, by Walecki's zigzags.

    0, 1, -1, 2, -2, … modulo n passes by all n shards, and n/2 such paths, each begun one further, by every pair.
    With every second path backwards, each begins with a shard that the one before ended with; an odd shard out joins
    the ends of all.
    """
    n = shards - shards % 2
    steps = [(i + 1) // 2 * (1 if i % 2 else -1) for i in range(n)]
    found: list[tuple[int, ...]] = []
    for begin in range(n // 2):
        path = [(begin + step) % n for step in steps]
        path = [n, *path, n] if shards > n else path[:: -1 if begin % 2 else 1]
        found += itertools.pairwise(path)
    return found
