"""numba: one loop a walk; a step reads one row, and where the coin leaves it open, searches another.

All of the random numbers' arithmetic is on `np.uint64`: one signed operand and numba would go over to float64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.random_walks import END_OF_WALK, TRIES
from neuralcore.kernels.skipgram_windows.reference import key_of

GAMMA, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
ONE, HALF = np.uint64(1), np.uint64(32)
S_11, S_27, S_30, S_31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)


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
    out = np.empty((len(starts), length), np.int32)
    _walks(offsets, neighbours, cumulative, starts, first, p, q, np.uint64(key_of(seed, epoch, 0)), out)
    return out


@njit(nogil=True, cache=True, inline="always")
def _mixed(z):
    z = (z ^ (z >> S_30)) * MIX_1
    z = (z ^ (z >> S_27)) * MIX_2
    return z ^ (z >> S_31)


@njit(nogil=True, cache=True, inline="always")
def _unit(state):
    return np.float64(_mixed(state) >> S_11) * 2.0**-53


@njit(nogil=True, cache=True)
def _place(neighbours, begin, end, node):
    """Where a node stands in a row, or -1. Halving without a branch: which half is as good as random."""
    left = end - begin
    if left == 0:
        return -1
    while left > 1:
        half = left >> 1
        begin += half if neighbours[begin + half] <= node else 0
        left -= half
    return begin if neighbours[begin] == node else -1


@njit(nogil=True, cache=True)
def _neighbour(cumulative, begin, end, state):
    """A place in `neighbours`, drawn by weight."""
    if cumulative.size == 0:
        return begin + np.int64(((_mixed(state) >> HALF) * np.uint64(end - begin)) >> HALF)
    sought = _unit(state) * cumulative[end - 1]
    last = end - 1
    while begin < last:  # the first place whose sum is above
        middle = (begin + last) >> 1
        if cumulative[middle] > sought:
            last = middle
        else:
            begin = middle + 1
    return begin


@njit(nogil=True, cache=True)
def _weight(cumulative, begin, place):
    if cumulative.size == 0:
        return 1.0
    return cumulative[place] - (cumulative[place - 1] if place > begin else 0.0)


@njit(nogil=True, cache=True)
def _alpha(offsets, neighbours, before, node, to_return, outwards):
    if node == before:
        return to_return
    return 1.0 if _place(neighbours, offsets[before], offsets[before + 1], node) >= 0 else outwards


@njit(nogil=True, cache=True)
def _second_order(offsets, neighbours, cumulative, begin, end, before, to_return, outwards, state):
    """The next node and the state of the draws; 1/p is `to_return`, 1/q `outwards`."""
    bound, least = max(1.0, outwards), min(1.0, outwards)
    mass, apart = bound * (cumulative[end - 1] if cumulative.size else np.float64(end - begin)), 0.0
    if to_return > bound:
        place = _place(neighbours, begin, end, before)
        if place >= 0:
            apart = (to_return - bound) * _weight(cumulative, begin, place)
    for _ in range(TRIES):
        if apart > 0.0:
            state += GAMMA
            if _unit(state) * (mass + apart) >= mass:
                return before, state
        state += GAMMA
        node = neighbours[_neighbour(cumulative, begin, end, state)]
        state += GAMMA
        coin = _unit(state) * bound
        if node == before:
            if coin < min(to_return, bound):
                return node, state
        elif coin < least or coin < _alpha(offsets, neighbours, before, node, to_return, outwards):
            return node, state
    total = 0.0
    for place in range(begin, end):
        alpha = _alpha(offsets, neighbours, before, neighbours[place], to_return, outwards)
        total += alpha * _weight(cumulative, begin, place)
    state += GAMMA
    reached, sought = 0.0, _unit(state) * total
    for place in range(begin, end):
        alpha = _alpha(offsets, neighbours, before, neighbours[place], to_return, outwards)
        reached += alpha * _weight(cumulative, begin, place)
        if reached > sought:
            return neighbours[place], state
    return neighbours[end - 1], state


@njit(nogil=True, cache=True)
def _walks(offsets, neighbours, cumulative, starts, first, p, q, key, out):
    to_return, outwards = 1.0 / p, 1.0 / q
    first_order = p == 1.0 and q == 1.0
    length = out.shape[1]
    for number in range(starts.size):
        state = _mixed(key + (np.uint64(first + number) + ONE) * GAMMA)
        node, before = starts[number], starts[number]
        out[number, 0] = node
        for step in range(1, length):
            begin, end = offsets[node], offsets[node + 1]
            if begin == end:
                out[number, step:] = END_OF_WALK
                break
            if end - begin == 1:
                following = neighbours[begin]
            elif step == 1 or first_order:
                state += GAMMA
                following = neighbours[_neighbour(cumulative, begin, end, state)]
            else:
                following, state = _second_order(
                    offsets, neighbours, cumulative, begin, end, before, to_return, outwards, state
                )
            before, node = node, following
            out[number, step] = node
