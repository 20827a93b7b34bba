"""A graph's edges by the shards of their two ends: P x P buckets, each in random order, in memory or in a mapped
file.

Bucket (a, b) has the edges from shard a to shard b, their ends as rows within the shard. The order is drawn once,
here: a slice of a bucket is then a fair sample of it, whatever order the edges came in, and training reads a slice
from end to end. Memory beside the result is a few million rows, also for edges in a mapped file.

Axes: E edges, P shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphkit.embedding.partition import Partition
from graphkit.graphs.folder import pieces
from neuralcore.mapped import forget_pages, give_free_memory_back

BLOCK = 1 << 17  # edges in memory at once: with what is made of them, 15 MB


@dataclass(frozen=True)
class Buckets:
    """Edges, bucket after bucket.

    Attributes:
        edges: (E, 3) int32, head row, relation, tail row.
        weights: (E,) float32, or None where every edge counts the same.
        offsets: (P · P + 1,) where each bucket begins; bucket (a, b) is number a · P + b.
        shards: P.
    """

    edges: np.ndarray
    weights: np.ndarray | None
    offsets: np.ndarray
    shards: int

    def slice(self, head: int, tail: int, part: int = 0, parts: int = 1) -> range:
        """The edges of one of `parts` equal parts of bucket (head, tail)."""
        start, stop = (int(self.offsets[head * self.shards + tail + i]) for i in (0, 1))
        return range(start + (stop - start) * part // parts, start + (stop - start) * (part + 1) // parts)

    def forget(self) -> None:
        """Give back the memory of what was read from a file."""
        for array in (self.edges, self.weights):
            if array is not None:
                forget_pages(array)

    @classmethod
    def of(
        cls,
        edges: np.ndarray,
        weights: np.ndarray | None,
        partition: Partition,
        seed: int,
        folder: Path | None = None,
    ) -> Buckets:
        """Sort edges (E, 3) of entity numbers into buckets: by counting, then each block of a bucket shuffled.

        Args:
            folder: where the files go; None keeps all in memory.
        """
        shards, count, places = partition.shards, len(edges), partition.places()
        # A bucket is cut into blocks that fit into memory; which block an edge goes to is drawn, so that all are
        # alike.
        blocks = max(-(-count // (shards * shards * BLOCK)), 1)
        sizes = np.zeros(shards * shards * blocks, np.int64)
        for start, rows in pieces(edges, BLOCK):
            sizes += np.bincount(_keys(rows, places, partition, blocks, seed, start), minlength=len(sizes))
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        sorted_edges = _array(folder, "edges.npy", (count, 3), np.int32)
        sorted_weights = None if weights is None else _array(folder, "weights.npy", (count,), np.float32)
        filled = bounds[:-1].copy()
        for start, rows in pieces(edges, BLOCK):
            keys = _keys(rows, places, partition, blocks, seed, start)
            by_key = np.argsort(keys, kind="stable")
            present, firsts, counts = np.unique(keys[by_key], return_index=True, return_counts=True)
            target = np.repeat(filled[present] - firsts, counts) + np.arange(len(rows))
            ends = places[rows[:, ::2]] % partition.capacity
            local = np.stack([ends[:, 0], rows[:, 1], ends[:, 1]], axis=1)
            sorted_edges[target] = local[by_key]
            if weights is not None and sorted_weights is not None:
                sorted_weights[target] = weights[start : start + len(rows)][by_key]
            filled[present] += counts
            forget_pages(sorted_edges)
        for i, (start, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist())):
            mixed = np.random.default_rng([seed, 1, i]).permutation(stop - start)
            sorted_edges[start:stop] = sorted_edges[start:stop][mixed]
            if sorted_weights is not None:
                sorted_weights[start:stop] = sorted_weights[start:stop][mixed]
            forget_pages(sorted_edges)
        del places
        give_free_memory_back()
        return cls(sorted_edges, sorted_weights, bounds[::blocks], shards)


def _keys(
    rows: np.ndarray, places: np.ndarray, partition: Partition, blocks: int, seed: int, start: int
) -> np.ndarray:
    """(B,) the bucket and block of each edge; the same each time it is asked."""
    shards = places[rows[:, ::2]] // partition.capacity
    buckets = shards[:, 0] * partition.shards + shards[:, 1]
    if blocks == 1:
        return buckets
    return buckets * blocks + np.random.default_rng([seed, 0, start]).integers(blocks, size=len(rows))


def _array(folder: Path | None, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    if folder is None:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(folder / name, mode="w+", dtype=dtype, shape=shape)
