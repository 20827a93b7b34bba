"""How often the words of a stream stand near each other, counted in bounded memory for a text of any size.

The stream is counted stretch by stretch (op `cooccurrences`); what each gives is set aside in a temporary file, row
by row. Then some rows at a time are read from all stretches, added up (op `sparse_sum`) and shuffled, and go into a
second temporary file, which is mapped into memory. Stretches do not depend on how many threads count, nor does the
result.

Counting takes about as long as one epoch of training, so the counts are not kept: a run that goes on counts again.
The temporary files have no name, and are gone with the process, however it ends.

Axes: N positions of the stream, V words, E entries of the upper triangle, S segments of 256 of them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from graphkit.words.stream import QUIET
from neuralcore.errors import UserError
from neuralcore.kernels.cooccurrences import SparseRows, cooccurrences
from neuralcore.kernels.sparse_sum import sparse_sum
from neuralcore.mapped import forget_pages
from neuralcore.telemetry import Telemetry

PAIRS = 1 << 24  # of positions in a stretch: 8 bytes each at most, for each thread
TOGETHER = 1 << 22  # entries of all stretches that are added up at once
SEGMENT = 256  # entries that stay together when the order is shuffled
ENTRY = np.dtype([("row", np.int32), ("column", np.int32), ("value", np.float32)])


class Counts(NamedTuple):
    """The co-occurrences of a stream."""

    segments: np.ndarray
    """(S, 256) ENTRY, a mapped file: row <= column, shuffled by some million; values of 0 fill the last segment up"""
    entries: int
    """E"""
    pairs: int
    """of words in either order: an entry beside the diagonal is two"""


class _Run(NamedTuple):
    """Where the matrix of a stretch lies in the temporary file: offsets, columns, values."""

    place: int
    entries: int


def count(ids: np.ndarray, words: int, window: int, *, folder: Path | None = None, threads: int = 1) -> Counts:
    """The co-occurrences of a stream of word ids within `window` words.

    Args:
        ids: (N,) int32, see `Corpus.ids`; may be a memory-mapped file.
        words: V.
        folder: where the temporary files lie, made if missing; None for the system's.
        threads: that count at once, 200 MB each. The result does not depend on them.

    Raises:
        UserError: no two words stand near each other, or there is no room for the temporary files.
    """
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as aside, tempfile.TemporaryFile(dir=folder) as file:
            runs, ends = [], np.zeros(words + 1, np.int64)
            for matrix in _stretches(ids, words, window, threads):
                runs.append(_Run(aside.tell(), len(matrix.columns)))
                for array in matrix:
                    aside.write(array.data)
                ends += matrix.offsets
            aside.flush()
            entries = on_diagonal = 0
            for records in _added_up(aside, runs, ends):
                file.write(records.data)
                entries += len(records)
                on_diagonal += int(np.count_nonzero(records["row"] == records["column"]))
            if not entries:
                raise UserError("no two words of the text stand in one sentence: there is nothing to learn")
            file.write(np.zeros(-entries % SEGMENT, ENTRY).data)
            file.flush()
            segments = np.memmap(file, ENTRY, "r", shape=(-(-entries // SEGMENT), SEGMENT))
            return Counts(segments, entries, 2 * entries - on_diagonal)
    except OSError as error:
        raise UserError(
            f"{folder or tempfile.gettempdir()} has no room for temporary files ({error.strerror}): free some space, "
            f"or name another folder ({'corpora' if folder else 'TMPDIR'})"
        ) from None


def _stretches(ids: np.ndarray, words: int, window: int, threads: int) -> Iterator[SparseRows]:
    """The counts of each stretch, in order."""
    length = max(PAIRS // window, 1)
    started = time.monotonic()
    count_from = partial(_stretch, ids, length, words, window)
    with Telemetry(len(ids), "words", title="counting") as telemetry, ThreadPoolExecutor(threads) as pool:
        for begin in range(0, len(ids), threads * length):  # as many at once as there are threads: so much memory
            yield from pool.map(count_from, range(begin, min(begin + threads * length, len(ids)), length))
            forget_pages(ids)
            if time.monotonic() - started > QUIET and telemetry.due():
                telemetry.show(min(begin + threads * length, len(ids)), {})


def _stretch(ids: np.ndarray, length: int, words: int, window: int, begin: int) -> SparseRows:
    return cooccurrences(ids, begin, min(begin + length, len(ids)), words=words, window=window)


def _added_up(aside: IO[bytes], runs: list[_Run], ends: np.ndarray) -> Iterator[np.ndarray]:
    """(entries,) ENTRY, some rows at a time, shuffled.

    Args:
        ends: (V + 1,) how many entries all runs have before each row.
    """
    words, first = len(ends) - 1, 0
    while first < words:
        last = int(np.searchsorted(ends, ends[first] + TOGETHER, side="right")) - 1
        last = min(max(last, first + 1), words)
        offsets, columns, values, before = [], [], [], 0
        for run in runs:
            begins = _read(aside, run.place + 8 * first, np.int64, last - first + 1)
            place = run.place + 8 * (words + 1) + 4 * int(begins[0])
            length = int(begins[-1] - begins[0])
            columns.append(_read(aside, place, np.int32, length))
            values.append(_read(aside, place + 4 * run.entries, np.float32, length))
            offsets.append(begins - begins[0] + before)
            before += length
        added = sparse_sum(np.stack(offsets), np.concatenate(columns), np.concatenate(values), width=words)
        records = np.empty(len(added.columns), ENTRY)
        records["row"] = np.repeat(np.arange(first, last, dtype=np.int32), np.diff(added.offsets))
        records["column"], records["value"] = added.columns, added.values
        # Each time the same order: what lies together is read together, and should not be of one row.
        order = np.random.Generator(np.random.PCG64(first)).permutation(len(records))
        yield np.take(records, order)
        first = last


def _read(file: IO[bytes], place: int, dtype: type, length: int) -> np.ndarray:
    return np.frombuffer(os.pread(file.fileno(), length * np.dtype(dtype).itemsize, place), dtype)
