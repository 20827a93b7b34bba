"""The numbers of the chunks of a text, a chunk being what stands between two white spaces, and a table of all chunks.

UTF-8 never uses the bytes of ASCII within another character, so bytes can be cut at ASCII white space without
decoding them. A chunk that was not there before is given the next number; its bytes are kept with a line end after
them, so the table is itself a text, one different chunk a line. A line end of the text becomes -1:

    b"to be or\nnot to be"  ->  0 1 2 -1 3 0 1      table  b"to\nbe\nor\nnot\n", counts 2 2 1 1

What a person calls a word ("be," without the comma, "To" as "to") is decided afterwards, once for each different
chunk and not for each occurrence: there are some fifty times fewer of them.

Axes: B bytes of text, N numbers, C different chunks.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape

LINE_END = -1
WHITE_SPACE = b"\t\n\v\f\r\x1c\x1d\x1e\x1f "  # what is white space to `str.split`, as far as it is ASCII


class ChunkTable:
    """C different chunks, grown by `chunk_numbers`.

    Attributes:
        size: C.
        lines: (at least the last end,) uint8, the chunks, each with a line end after it.
        ends: (at least C,) int64, where in `lines` each one's line ends; the next one begins there.
        counts: (at least C,) int64, how often each occurred.
        slots, indexed: the hash table of the numba implementation, and how many chunks it knows.
    """

    def __init__(self) -> None:
        self.size = self.indexed = 0
        self.lines = np.empty(1 << 12, dtype=np.uint8)
        self.ends = np.empty(1 << 8, dtype=np.int64)
        self.counts = np.zeros(1 << 8, dtype=np.int64)
        self.slots = np.full(1 << 9, -1, dtype=np.int64)

    def text(self, begin: int = 0) -> bytes:
        """The chunks from number `begin` on, a line each."""
        return self.lines[self.begin(begin) : self.begin(self.size)].tobytes()

    def strings(self, numbers: np.ndarray) -> list[str]:
        """Some of the chunks, decoded."""
        ends = self.ends[numbers]
        begins = np.where(numbers > 0, self.ends[numbers - 1], 0)
        lines = self.lines.data
        return [str(lines[begin:end], "utf-8") for begin, end in zip(begins.tolist(), (ends - 1).tolist())]

    def begin(self, number: int) -> int:
        """Where in `lines` a chunk begins; for `size`, where they end."""
        return int(self.ends[number - 1]) if number else 0


def chunk_numbers(
    text: np.ndarray, table: ChunkTable, *, implementation: kernels.Implementation = "auto"
) -> np.ndarray:
    """(N,) int32: the number of each chunk of `text`, and -1 for each line end; `table` grows and counts.

    Releases the GIL. All implementations give the same numbers.

    Args:
        text: (B,) uint8. Its end ends a chunk.

    Raises:
        ValueError: the shape or dtype differs.
        UserError: there is no such implementation.
    """
    match_shape(text, -1, name="text")
    if text.dtype != np.uint8:
        raise ValueError(f"text is {text.dtype}, expected uint8")
    numbers: np.ndarray = kernels.implementation("chunk_numbers", implementation, text)(text, table)
    return numbers
