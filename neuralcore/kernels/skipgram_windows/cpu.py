"""numba: the kept words of the stretch and its surroundings are gathered once, then each window is a slice of them.

All of the random numbers' arithmetic is on `np.uint64`: one signed operand and numba would go over to float64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.skipgram_windows import END_OF_SENTENCE
from neuralcore.kernels.skipgram_windows.reference import GAMMA as GAMMA_BITS
from neuralcore.kernels.skipgram_windows.reference import draws_of, key_of

GAMMA, MIX_1, MIX_2 = np.uint64(GAMMA_BITS), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
ONE, HALF, LOW = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)
S_11, S_27, S_30, S_31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)


def skipgram_windows(
    ids: np.ndarray,
    begin: int,
    end: int,
    keep: np.ndarray,
    probability: np.ndarray,
    alias: np.ndarray,
    window: int,
    negatives: int,
    seed: int,
    epoch: int,
    pairs: bool,
    origin: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.skipgram_windows.skipgram_windows`."""
    draws = draws_of(window, negatives, pairs)
    key = np.uint64(key_of(seed, epoch, origin * draws))
    return _windows(np.asarray(ids), begin, end, keep, probability, alias, window, negatives, key, draws, pairs)


def reach(
    ids: np.ndarray,
    begin: int,
    end: int,
    keep: np.ndarray,
    window: int,
    negatives: int,
    seed: int,
    epoch: int,
    pairs: bool,
) -> tuple[int, int]:
    """As `neuralcore.kernels.skipgram_windows.reach`."""
    draws = draws_of(window, negatives, pairs)
    return _reach(np.asarray(ids), begin, end, keep, window, np.uint64(key_of(seed, epoch, 0)), draws)


@njit(nogil=True, cache=True)
def _draw(key, position, draws, which):
    z = key + (np.uint64(position) * np.uint64(draws) + np.uint64(which) + ONE) * GAMMA
    z = (z ^ (z >> S_30)) * MIX_1
    z = (z ^ (z >> S_27)) * MIX_2
    return z ^ (z >> S_31)


@njit(nogil=True, cache=True)
def _below(random, bound):
    """The upper 32 bits as a whole number in 0..bound - 1."""
    return np.int64(((random >> HALF) * np.uint64(bound)) >> HALF)


@njit(nogil=True, cache=True)
def _stays(ids, position, keep, key, draws):
    return np.float64(_draw(key, position, draws, 0) >> S_11) * 2.0**-53 < keep[ids[position]]


@njit(nogil=True, cache=True)
def _output(word, probability, alias, key, place, draws, first, row):
    """The word and the negatives from a first draw on, those there already as -1."""
    row[0] = word
    for j in range(1, row.size):
        random = _draw(key, place, draws, first + j - 1)
        column = _below(random, probability.size)
        own = np.float64(random & LOW) * 2.0**-32 < probability[column]
        drawn = np.int32(column) if own else alias[column]
        for i in range(j):
            if row[i] == drawn:
                drawn = np.int32(-1)
                break
        row[j] = drawn


@njit(nogil=True, cache=True)
def _reach(ids, begin, end, keep, window, key, draws):
    """The stretch, and around it as many kept words as a window at its edge can have."""
    first, found = begin, 0
    while first > 0 and ids[first - 1] != END_OF_SENTENCE and found < window:
        first -= 1
        found += _stays(ids, first, keep, key, draws)
    last, found = end, 0
    while last < ids.size and ids[last] != END_OF_SENTENCE and found < window:
        found += _stays(ids, last, keep, key, draws)
        last += 1
    return first, last


@njit(nogil=True, cache=True)
def _windows(ids, begin, end, keep, probability, alias, window, negatives, key, draws, pairs):
    first, last = _reach(ids, begin, end, keep, window, key, draws)
    words, places = np.empty(last - first, np.int32), np.empty(last - first, np.int64)
    count, centres = 0, 0
    for position in range(first, last):
        ends_sentence = ids[position] == END_OF_SENTENCE
        if ends_sentence or _stays(ids, position, keep, key, draws):
            words[count], places[count] = ids[position], position
            count += 1
            centres += begin <= position < end and not ends_sentence

    most = centres * 2 * window if pairs else centres
    offsets, outputs = np.zeros(most + 1, np.int64), np.empty((most, negatives + 1), np.int32)
    contexts = np.empty(centres * 2 * window, np.int32)
    w = c = 0
    for i in range(count):
        place = places[i]
        if words[i] == END_OF_SENTENCE or place < begin or place >= end:
            continue
        size = 1 + _below(_draw(key, place, draws, 1), window)
        low = i
        while low > 0 and i - low < size and words[low - 1] != END_OF_SENTENCE:
            low -= 1
        high = i + 1
        while high < count and high - i <= size and words[high] != END_OF_SENTENCE:
            high += 1
        before = c
        for n in range(low, high):
            if n != i:
                contexts[c] = words[n]
                c += 1
                if pairs:
                    _output(
                        words[i], probability, alias, key, place, draws, 2 + (c - 1 - before) * negatives, outputs[w]
                    )
                    w += 1
                    offsets[w] = c
        if not pairs and c > before:
            _output(words[i], probability, alias, key, place, draws, 2, outputs[w])
            w += 1
            offsets[w] = c
    return outputs[:w], offsets[: w + 1], contexts[:c]
