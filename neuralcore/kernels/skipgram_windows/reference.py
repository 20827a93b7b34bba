"""The truth in plain Python: whole numbers of any size, cut to 64 bits where splitmix64 says so."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.skipgram_windows import END_OF_SENTENCE

BITS = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def splitmix64(key: int, index: int) -> int:
    """Number `index` (from 0) of the splitmix64 sequence started at `key`."""
    z = (key + (index + 1) * GAMMA) & BITS
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


def draws_of(window: int, negatives: int, pairs: bool) -> int:
    """D, how many draws a position has."""
    return 2 + (2 * window if pairs else 1) * negatives


def key_of(seed: int, epoch: int, first: int) -> int:
    """Where the sequence of one pass starts, its `first` numbers left out; far from other seeds' and epochs'."""
    return (splitmix64(splitmix64(0, seed), epoch) + first * GAMMA) & BITS


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
    key = key_of(seed, epoch, origin * draws)

    def draw(position: int, which: int) -> int:
        return splitmix64(key, position * draws + which)

    def stays(position: int) -> bool:
        return (draw(position, 0) >> 11) * 2.0**-53 < keep[ids[position]]

    def side(position: int, step: int, size: int) -> list[int]:
        """Up to `size` kept words from `position` on, going by `step`, within the sentence."""
        found: list[int] = []
        position += step
        while len(found) < size and 0 <= position < len(ids) and ids[position] != END_OF_SENTENCE:
            if stays(position):
                found.append(int(ids[position]))
            position += step
        return found

    def noise(random: int) -> int:
        column = ((random >> 32) * len(keep)) >> 32
        return column if (random & 0xFFFFFFFF) * 2.0**-32 < probability[column] else int(alias[column])

    def output(position: int, first: int) -> list[int]:
        """The word at the position and K others, those there already as -1."""
        found = [int(ids[position])]
        for j in range(negatives):
            word = noise(draw(position, first + j))
            found.append(-1 if word in found else word)
        return found

    outputs, offsets, contexts = [], [0], []
    for position in range(begin, end):
        if ids[position] == END_OF_SENTENCE or not stays(position):
            continue
        size = 1 + (((draw(position, 1) >> 32) * window) >> 32)
        context = side(position, -1, size)[::-1] + side(position, +1, size)
        for number, part in enumerate([[word] for word in context] if pairs else [context]):
            if part:
                outputs.append(output(position, 2 + number * negatives))
                contexts += part
                offsets.append(len(contexts))
    return (
        np.array(outputs, dtype=np.int32).reshape(len(outputs), negatives + 1),
        np.array(offsets, dtype=np.int64),
        np.array(contexts, dtype=np.int32),
    )
