from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphkit.embedding.partition import Partition, visits


@pytest.mark.parametrize(
    ("counts", "shards"), [((1,), 1), ((10,), 1), ((10,), 3), ((11,), 4), ((3,), 4), ((1000,), 7), ((5, 9, 2), 3)]
)
def test_every_entity_has_a_place_of_its_own(counts: tuple[int, ...], shards: int) -> None:
    partition = Partition(counts, shards, seed=5)
    entities, places = sum(counts), partition.places()
    assert len(set(places.tolist())) == entities
    assert 0 <= places.min() <= places.max() < shards * partition.capacity
    bounds = np.cumsum([0, *counts])
    for shard in range(shards):
        members, rows = partition.members(shard)
        assert (places[members] == shard * partition.capacity + rows).all()
        for kind in range(len(counts)):
            mine = (members >= bounds[kind]) & (members < bounds[kind + 1])
            assert sorted(rows[mine].tolist()) == list(partition.rows_of(kind, shard))
            assert abs(mine.sum() - counts[kind] / shards) < 1
    assert sum(len(partition.members(shard)[0]) for shard in range(shards)) == entities
    if shards > 1 and entities > 10:
        assert (places != Partition(counts, shards, seed=6).places()).any()
    if shards == 1:
        assert places.tolist() == list(range(entities))


@pytest.mark.parametrize(
    ("shards", "slots"), [(1, 2), (2, 2), (3, 2), (16, 2), (5, 3), (8, 3), (9, 4), (16, 5), (4, 4), (3, 8)]
)
def test_every_two_shards_meet_once(shards: int, slots: int) -> None:
    found = visits(shards, slots, start=1)
    met = [tuple(sorted((visit.shards[a], visit.shards[b]))) for visit in found for a, b in visit.pairs]
    assert sorted(met) == list(itertools.combinations(range(shards), 2))
    slices: dict[int, list[tuple[int, int]]] = {}
    for visit in found:
        assert len(visit.shards) <= slots
        assert len(set(visit.shards)) == len(visit.shards)
        for slot, part in visit.slices.items():
            slices.setdefault(visit.shards[slot], []).append(part)
    for parts in slices.values():
        assert parts == [(k, len(parts)) for k in range(len(parts))]
    assert set(slices) == set(range(shards))


@pytest.mark.parametrize("shards", [3, 4, 8, 16])
def test_with_two_slots_each_visit_reads_one_shard(shards: int) -> None:
    found = visits(shards, 2)
    reads = 2 + sum(len(set(b.shards) - set(a.shards)) for a, b in itertools.pairwise(found))
    assert reads == 1 + shards * (shards - 1) // 2


def test_a_larger_buffer_reads_less() -> None:
    def reads(slots: int) -> int:
        found = visits(16, slots)
        return slots + sum(len(set(b.shards) - set(a.shards)) for a, b in itertools.pairwise(found))

    assert reads(16) == 16
    assert reads(8) < reads(4) < reads(3) < reads(2)
    # To meet all others, a shard that is not among the first to be held needs them brought in, S - 1 at a time.
    assert reads(4) <= 1.25 * (16 * 15 / 2 - 6) / 3 + 4
