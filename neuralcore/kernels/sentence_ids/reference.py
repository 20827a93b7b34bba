"""The truth in plain Python: the words of a line, cut, each part without the words that are left out."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.skipgram_windows import END_OF_SENTENCE


def sentence_ids(
    numbers: np.ndarray, offsets: np.ndarray, ids: np.ndarray, sentence: np.ndarray, length: int
) -> np.ndarray:
    """As `neuralcore.kernels.sentence_ids.sentence_ids`."""
    words, any_id = sentence.tolist()
    stream: list[int] = []
    for number in numbers:
        for word in ids[offsets[number] : offsets[number + 1]] if number >= 0 else []:
            words += 1
            if word >= 0:
                stream.append(int(word))
                any_id = True
            if words == length:
                stream += [END_OF_SENTENCE] * any_id
                words, any_id = 0, False
        if number < 0:
            stream += [END_OF_SENTENCE] * any_id
            words, any_id = 0, False
    sentence[:] = words, any_id
    return np.array(stream, dtype=np.int32)
