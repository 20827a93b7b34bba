"""The Huffman tree: its cost is the least there is, and its ways lead to the words."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from graphkit.words.huffman import huffman_paths


def least_cost(counts: list[int]) -> int:
    """The sum of counts times depths of an optimal tree: what all merges of the two rarest cost (Huffman 1952)."""
    heap, cost = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


@pytest.mark.parametrize("words", [1, 2, 3, 7, 100, 1001])
def test_the_tree_is_optimal_and_its_ways_are_those_of_a_tree(words: int) -> None:
    rng = np.random.default_rng(words)
    counts = np.sort(rng.zipf(1.3, words).clip(max=10**6))[::-1]
    nodes, signs = huffman_paths(counts)
    depth = (nodes >= 0).sum(axis=1)
    assert int((depth * counts).sum()) == least_cost(counts.tolist())
    assert nodes.max(initial=-1) == words - 2
    ways = set()
    for word in range(words):
        way, turns = nodes[word, : depth[word]], signs[word, : depth[word]]
        assert (nodes[word, depth[word] :] == -1).all()
        assert len(set(way.tolist())) == len(way)
        assert words == 1 or way[0] == words - 2  # the root
        ways.add(tuple(zip(way.tolist(), turns.tolist())))
    assert len(ways) == words
    # No way is the beginning of another, and a node is always reached by the same way.
    reached: dict[int, tuple] = {}
    for way in ways:
        for i, (node, _) in enumerate(way):
            assert reached.setdefault(node, way[:i]) == way[:i]


def test_probabilities_of_all_words_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    nodes, signs = huffman_paths(np.array([9, 5, 5, 3, 1, 1]))
    logits = rng.normal(size=5)
    there = nodes >= 0
    factors = np.where(there, 1 / (1 + np.exp(-signs * logits[nodes])), 1.0)
    assert factors.prod(axis=1).sum() == pytest.approx(1.0)
