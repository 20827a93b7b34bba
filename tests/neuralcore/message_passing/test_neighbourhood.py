"""Blocks of neighbours: by hand, drawn ones, edges that are left out; the encoder on them and on the whole graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuralcore.message_passing.neighbour_encoder import NeighbourEncoder
from neuralcore.message_passing.neighbourhood import blocks_around, neighbour_lists

EDGES = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [1, 4], [2, 1], [5, 5]])  # 5 has none, [2, 1] is there twice


def test_neighbour_lists() -> None:
    offsets, neighbours = neighbour_lists(EDGES, 6)
    assert offsets.tolist() == [0, 1, 4, 6, 8, 10, 10]
    assert neighbours.tolist() == [1, 0, 2, 4, 1, 3, 2, 4, 1, 3]


def test_blocks_by_hand() -> None:
    lists = neighbour_lists(EDGES, 6)
    ring, (outer, inner) = blocks_around(*lists, np.array([0, 5]), 2)
    assert ring.tolist() == [0, 5, 1, 2, 4]
    assert (inner.inside, inner.ends.tolist()) == (2, [[2], [0]])
    assert (outer.inside, outer.ends.tolist()) == (3, [[2, 0, 3, 4], [0, 2, 2, 2]])
    ring, (only,) = blocks_around(*lists, np.array([1, 4]), 1, apart=np.array([[4, 1]]))
    assert ring.tolist() == [1, 4, 0, 2, 3]
    assert only.ends.tolist() == [[2, 3, 4], [0, 0, 1]]


def test_neighbours_are_drawn() -> None:
    star = neighbour_lists(np.stack([np.zeros(30, int), np.arange(1, 31)], 1), 31)
    seen = set()
    for seed in range(60):
        ring, (block,) = blocks_around(*star, np.array([0, 7]), 1, most=4, generator=np.random.default_rng(seed))
        to = block.ends[1].tolist()
        assert to == [0] * 4 + [1]
        chosen = ring[block.ends[0]].tolist()
        assert len(set(chosen[:4])) == 4
        assert chosen[4] == 0
        seen |= set(chosen[:4])
    assert len(seen) == 30


@pytest.mark.parametrize("layer", ["sage", "gat"])
def test_blocks_give_what_the_whole_graph_gives(layer) -> None:
    pytest.importorskip("torch_geometric.nn", reason="needs the extra geometric")
    torch.manual_seed(0)
    encoder = NeighbourEncoder(7, 4, tags=False, layer=layer, hops=2).double()
    features = torch.randn(6, 7, dtype=torch.float64)
    lists = neighbour_lists(EDGES, 6)
    every = np.repeat(np.arange(6), np.diff(lists[0]))
    ends = torch.from_numpy(np.stack([lists[1], every]))
    whole = encoder([features], [(ends, 6), (ends, 6)])
    rows = np.array([3, 5, 0])
    ring, blocks = blocks_around(*lists, rows, 2)
    some = encoder([features[ring]], [(torch.from_numpy(b.ends), b.inside) for b in blocks])
    torch.testing.assert_close(some, whole[rows])
    nothing = [(torch.zeros(2, 0, dtype=torch.int64), 6)] * 2
    torch.testing.assert_close(encoder([features], nothing), encoder.begin(features))  # biases begin at 0


def test_what_sage_begins_with() -> None:
    pytest.importorskip("torch_geometric.nn", reason="needs the extra geometric")
    encoder = NeighbourEncoder(5, 3)
    tags, offsets, weights = torch.tensor([0, 1, 4]), torch.tensor([0, 2]), torch.tensor([0.5, 0.5, 1.0])
    table = encoder.begin.weight
    found = encoder([tags, offsets, weights], [(torch.tensor([[1], [0]]), 1)])
    torch.testing.assert_close(found, (0.5 * (table[0] + table[1]) + table[4])[None])
    with pytest.raises(ValueError, match="hops and most must be 1 or more"):
        NeighbourEncoder(5, 3, hops=0)
