"""From the numbers of chunks (see `chunk_numbers`) to the stream of word ids that is trained on.

Each chunk stands for none, one or several words; each word has an id, or none when it is left out. A line is a
sentence, cut after `length` words, counted with those that are left out. After each sentence that has an id comes -1.

    numbers 0 1 -1 2 -1    offsets 0 2 3 3    ids 5 -1 7      (chunk 0: word 5 and one left out; chunk 2: no word)
    length 2               ->  5 -1 7 -1                      (cut after two words; the second line gives nothing)

Axes: N numbers, C chunks, W words of all chunks.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def open_sentence() -> np.ndarray:
    """(2,) int64 for `sentence_ids`: how many words the sentence has so far, and whether one of them has an id."""
    return np.zeros(2, dtype=np.int64)


def sentence_ids(
    numbers: np.ndarray,
    offsets: np.ndarray,
    ids: np.ndarray,
    sentence: np.ndarray,
    *,
    length: int,
    implementation: kernels.Implementation = "auto",
) -> np.ndarray:
    """(M,) int32 word ids, -1 after each sentence; a sentence still open at the end goes on in the next call.

    Releases the GIL. All implementations give the same numbers.

    Args:
        numbers: (N,) int32 chunks, -1 for a line end.
        offsets: (C + 1,) int64, where the words of each chunk begin in `ids`.
        ids: (W,) int32, -1 for a word that is left out.
        sentence: (2,) int64 of `open_sentence`, brought up to date in place.
        length: words after which a sentence is cut.

    Raises:
        ValueError: a shape or dtype differs.
        UserError: there is no such implementation.
    """
    match_shape(numbers, -1, name="numbers")
    match_shape(offsets, -1, name="offsets")
    match_shape(ids, int(offsets[-1]), name="ids")
    match_shape(sentence, 2, name="sentence")
    expected = (("numbers", numbers, "int32"), ("offsets", offsets, "int64"), ("ids", ids, "int32"))
    for name, array, dtype in expected:
        if array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    function = kernels.implementation("sentence_ids", implementation, numbers)
    stream: np.ndarray = function(numbers, offsets, ids, sentence, length)
    return stream
