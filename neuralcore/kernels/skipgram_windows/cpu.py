"""numba: the kept words of the stretch and its surroundings are gathered once, then each window is a slice of them.

All of the random numbers' arithmetic is on `np.uint64`: one signed operand and numba would go over to float64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.skipgram_windows import END_OF_SENTENCE
from neuralcore.kernels.skipgram_windows.reference import key_of

GAMMA, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `neuralcore.kernels.skipgram_windows.skipgram_windows`."""
    key = np.uint64(key_of(seed, epoch))
    return _windows(np.asarray(ids), begin, end, keep, probability, alias, window, negatives, key, pairs)


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
def _windows(ids, begin, end, keep, probability, alias, window, negatives, key, pairs):
    draws = 2 + (2 * window if pairs else 1) * negatives
    # The stretch, and around it as many kept words as a window at its edge can reach.
    first, found = begin, 0
    while first > 0 and ids[first - 1] != END_OF_SENTENCE and found < window:
        first -= 1
        found += _stays(ids, first, keep, key, draws)
    room = end - first + window
    words, places = np.empty(room, np.int32), np.empty(room, np.int64)
    count, centres, found, position = 0, 0, 0, first
    while position < ids.size and found < window:
        ends_sentence = ids[position] == END_OF_SENTENCE
        if ends_sentence and position >= end:
            break
        if ends_sentence or _stays(ids, position, keep, key, draws):
            words[count], places[count] = ids[position], position
            count += 1
            centres += begin <= position < end and not ends_sentence
            found += position >= end
        position += 1

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
