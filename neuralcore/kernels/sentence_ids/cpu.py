"""numba: the same loop twice, first for the room that is needed at most."""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.skipgram_windows import END_OF_SENTENCE


def sentence_ids(
    numbers: np.ndarray, offsets: np.ndarray, ids: np.ndarray, sentence: np.ndarray, length: int
) -> np.ndarray:
    """As `neuralcore.kernels.sentence_ids.sentence_ids`."""
    stream = np.empty(_room(numbers, offsets, length), np.int32)
    return stream[: _fill(numbers, offsets, ids, sentence, length, stream)]


@njit(nogil=True, cache=True)
def _room(numbers, offsets, length):
    """All words, all line ends, and a cut after every `length` words, those of the open sentence among them."""
    words, lines = 0, 0
    for number in numbers:
        if number < 0:
            lines += 1
        else:
            words += offsets[number + 1] - offsets[number]
    return words + lines + words // length + 1


@njit(nogil=True, cache=True)
def _fill(numbers, offsets, ids, sentence, length, stream):
    words, any_id, filled = sentence[0], sentence[1], 0
    for number in numbers:
        if number >= 0:
            for i in range(offsets[number], offsets[number + 1]):
                words += 1
                if ids[i] >= 0:
                    stream[filled] = ids[i]
                    filled += 1
                    any_id = 1
                if words == length:
                    if any_id:
                        stream[filled] = END_OF_SENTENCE
                        filled += 1
                    words, any_id = 0, 0
        else:
            if any_id:
                stream[filled] = END_OF_SENTENCE
                filled += 1
            words, any_id = 0, 0
    sentence[0], sentence[1] = words, any_id
    return filled
