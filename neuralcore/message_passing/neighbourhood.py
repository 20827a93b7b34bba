"""What some nodes are made of: the nodes around them, hop by hop, and the edges along which values come to them.

An encoder of K layers needs of a graph of millions of nodes those within K edges of the B that a step is about. They
are told as K blocks, the outermost first: the edges from the nodes of one ring and all inside it to the nodes of the
next ring inwards. Each ring begins with the nodes inside it, in the same order.

Axes: N nodes, E directed edges as offsets (N + 1,) and neighbours (E,), B nodes asked for, U of all rings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """One layer's edges.

    Attributes:
        ends: (2, M) int64: places in the outer ring, and in the inner one. inside: nodes of the inner ring.
    """

    ends: np.ndarray
    inside: int


def neighbour_lists(edges: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """(offsets, neighbours) of undirected edges (M, 2), each from both ends; repeated ones and loops are left out."""
    ordered = np.sort(edges.astype(np.int64).reshape(-1, 2), axis=1)
    ordered = np.unique(ordered[ordered[:, 0] != ordered[:, 1]], axis=0)
    both = np.concatenate([ordered, ordered[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    return np.concatenate([[0], np.cumsum(np.bincount(both[:, 0], minlength=nodes))]), both[:, 1].copy()


def blocks_around(
    offsets: np.ndarray,
    neighbours: np.ndarray,
    rows: np.ndarray,
    hops: int,
    *,
    most: int | None = None,
    apart: np.ndarray | None = None,
    generator: np.random.Generator | None = None,
) -> tuple[np.ndarray, list[Block]]:
    """((U,) nodes of which values are needed, the B asked for first; the blocks).

    Args:
        offsets, neighbours: of the graph. rows: (B,), each once. hops: K. most: neighbours of a node at most, drawn
            by `generator` where it has more (Hamilton et al. 2017, section 3.1); None: all. apart: (A, 2) edges that
            are not gone along, in either direction.
    """
    nodes = len(offsets) - 1
    hidden = None
    if apart is not None and len(apart):
        hidden = np.unique(np.concatenate([apart[:, 0] * nodes + apart[:, 1], apart[:, 1] * nodes + apart[:, 0]]))
    ring, found = rows.astype(np.int64), []
    place = np.full(nodes, -1)
    place[ring] = np.arange(len(ring))
    for _ in range(hops):
        counts = offsets[ring + 1] - offsets[ring]
        to = np.repeat(np.arange(len(ring)), counts)
        first = np.cumsum(counts) - counts
        whom = neighbours[np.arange(len(to)) - first[to] + offsets[ring][to]]
        if hidden is not None:
            seen = ~np.isin(ring[to] * nodes + whom, hidden)
            to, whom = to[seen], whom[seen]
        if most is not None:
            assert generator is not None
            order = np.lexsort((generator.random(len(to)), to))
            starts = np.searchsorted(to, np.arange(len(ring)))
            kept = np.sort(order[np.arange(len(to)) - starts[to] < most])
            to, whom = to[kept], whom[kept]
        new = np.unique(whom[place[whom] < 0])
        place[new] = len(ring) + np.arange(len(new))
        found.append(Block(np.stack([place[whom], to]), len(ring)))
        ring = np.concatenate([ring, new])
    return ring, found[::-1]
