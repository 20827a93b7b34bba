"""The truth in plain Python: a walk reads as the paper tells it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from neuralcore.kernels.random_walks import END_OF_WALK, TRIES
from neuralcore.kernels.skipgram_windows.reference import key_of, splitmix64


def random_walks(
    offsets: np.ndarray,
    neighbours: np.ndarray,
    cumulative: np.ndarray,
    starts: np.ndarray,
    first: int,
    length: int,
    p: float,
    q: float,
    seed: int,
    epoch: int,
) -> np.ndarray:
    """As `neuralcore.kernels.random_walks.random_walks`."""
    rows = [neighbours[a:b].tolist() for a, b in pairwise(offsets)]
    sums = [cumulative[a:b].tolist() if cumulative.size else [] for a, b in pairwise(offsets)]
    out = np.full((len(starts), length), END_OF_WALK, dtype=np.int32)
    for number, start in enumerate(starts.tolist()):
        draw = _draws(splitmix64(key_of(seed, epoch, 0), first + number))
        walk = [start]
        while len(walk) < length and rows[walk[-1]]:
            row, summed = rows[walk[-1]], sums[walk[-1]]
            if len(row) == 1:
                walk.append(row[0])
            elif len(walk) == 1 or p == q == 1.0:
                walk.append(row[_neighbour(row, summed, draw)])
            else:
                walk.append(_second_order(row, summed, walk[-2], rows[walk[-2]], p, q, draw))
        out[number, : len(walk)] = walk
    return out


def _draws(key: int) -> Callable[[], int]:
    """The numbers of a walk, one after the other."""
    index = iter(range(2**62))
    return lambda: splitmix64(key, next(index))


def _unit(random: int) -> float:
    return (random >> 11) * 2.0**-53


def _neighbour(row: list[int], summed: list[float], draw: Callable[[], int]) -> int:
    """A place in the row, drawn by weight."""
    if not summed:
        return ((draw() >> 32) * len(row)) >> 32
    return min(bisect_right(summed, _unit(draw()) * summed[-1]), len(row) - 1)


def _second_order(
    row: list[int],
    summed: list[float],
    before: int,
    row_before: list[int],
    p: float,
    q: float,
    draw: Callable[[], int],
) -> int:
    """The next node, from the one whose row is given, of a walk that came from `before`."""

    def weight(place: int) -> float:
        if not summed:
            return 1.0
        return summed[place] - (summed[place - 1] if place else 0.0)

    def alpha(node: int) -> float:
        place = bisect_left(row_before, node)
        near = place < len(row_before) and row_before[place] == node
        return 1.0 / p if node == before else 1.0 if near else 1.0 / q

    bound = max(1.0, 1.0 / q)
    mass, apart = bound * (summed[-1] if summed else float(len(row))), 0.0
    if 1.0 / p > bound and before in row:
        apart = (1.0 / p - bound) * weight(row.index(before))
    for _ in range(TRIES):
        if apart > 0.0 and _unit(draw()) * (mass + apart) >= mass:
            return before
        node = row[_neighbour(row, summed, draw)]
        if _unit(draw()) * bound < min(alpha(node), bound):
            return node
    total = 0.0
    for place, node in enumerate(row):
        total += alpha(node) * weight(place)
    reached, sought = 0.0, _unit(draw()) * total
    for place, node in enumerate(row):
        reached += alpha(node) * weight(place)
        if reached > sought:
            return node
    return row[-1]
