"""From text to its vocabulary and one stream of word numbers, in one pass over the text.

1. Blocks of bytes are cut at white space, and each chunk is looked up in a table of all chunks (op `chunk_numbers`).
2. The rule that makes words of text (lower-casing, "stop,Zoë—42" -> stop zoë) is applied once to each new chunk: it
   depends on nothing beyond the chunk, since white space ends words, and casing looks no further.
3. The numbers of the chunks are set aside in a file, 4 bytes each.
4. When all words are counted, the numbers of the chunks become word ids (op `sentence_ids`).

Memory grows with the different chunks, not with the text. Several threads take blocks as they come, each with its own
tables; they are put together in the end. Words are numbered by count and spelling, so which thread read what is not
to be seen in the result.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import IO, NamedTuple, Protocol, TypeVar

import numpy as np

from graphkit.text_files import Block, RawFile, blocks
from graphkit.words.corpus import RULES, SENTENCE_LENGTH, Corpus
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError
from neuralcore.kernels.chunk_numbers import LINE_END, ChunkTable, chunk_numbers
from neuralcore.kernels.sentence_ids import open_sentence, sentence_ids
from neuralcore.kernels.skipgram_windows import END_OF_SENTENCE
from neuralcore.telemetry import Telemetry

Result = TypeVar("Result")
QUIET = 3.0  # seconds before progress is shown: most texts are read by then


class WordStream(NamedTuple):
    """What is trained on."""

    vocabulary: Vocabulary
    ids: np.ndarray
    """(N,) int32, -1 after each sentence; words outside the vocabulary are left out. May be a memory-mapped file."""


def read(corpus: Corpus, min_count: int, *, folder: Path | None = None, threads: int = 1) -> WordStream:
    """The words that occur `min_count` times or more, and the text as their numbers.

    Equal to `Vocabulary.count(corpus.sentences(), min_count)` and the index of each of its words in the sentences.

    Args:
        folder: where the result is kept, and taken from when it is there already (see
        `graphkit.words.corpus_folder`); the
            ids are then memory-mapped. None keeps them in memory, 4 bytes a word.
        threads: that read at once. The result does not depend on them.

    Raises:
        UserError: a file is empty, has no words, is not UTF-8 text, or is damaged, file and byte are named; no word
            is left; the folder cannot be written.
    """
    from graphkit.words import corpus_folder

    if folder is not None:
        return corpus_folder.read(corpus, min_count, folder, threads)
    with _temporary_file() as aside:
        scan = Scan(corpus, aside, threads)
        vocabulary = scan.vocabulary(min_count)
        return WordStream(vocabulary, _in_memory(scan, vocabulary, min_count))


def ids(corpus: Corpus, vocabulary: Vocabulary, *, threads: int = 1) -> np.ndarray:
    """(N,) int32, the text as numbers of a given vocabulary; see `Corpus.ids`."""
    with _temporary_file() as aside:
        stream = _in_memory(Scan(corpus, aside, threads), vocabulary)
    if not len(stream):
        raise UserError(
            f"none of the {len(vocabulary):,} words of the vocabulary is in {', '.join(map(str, corpus.paths))}"
        )
    return stream


class Numbering(Protocol):
    """Numbers the chunks of blocks, and knows the words of each chunk."""

    def strings(self, words: np.ndarray) -> list[str]:
        """Some words by their numbers."""

    def numbers(self, block: Block) -> np.ndarray:
        """(N,) int32: the chunks of a block, and -1 for each line end."""

    def has_words(self, numbers: np.ndarray) -> bool:
        """Whether one of these chunks has a word."""

    def lists(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(C + 1,) int64 offsets and (W,) int32 words, those of each chunk; (C,) int64 counts of the chunks."""


class ChunkNumbering:
    """By the rules that depend on the chunk alone."""

    def __init__(self, corpus: Corpus):
        self._spaced = corpus.spaced
        self._chunks, self.table = ChunkTable(), ChunkTable()
        self._offsets, self._words = array("q", [0]), array("i")

    def strings(self, words: np.ndarray) -> list[str]:
        return self.table.strings(words)

    def numbers(self, block: Block) -> np.ndarray:
        known = self._chunks.size
        numbers = chunk_numbers(np.frombuffer(block.data, dtype=np.uint8), self._chunks)
        if self._chunks.size > known:
            self._tokenize(self._chunks.text(known), block)
        return numbers

    def _tokenize(self, chunks: bytes, block: Block) -> None:
        try:
            text = chunks.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            block.text()  # says which byte of the file it is
        numbers = chunk_numbers(np.frombuffer(self._spaced(text).encode(), dtype=np.uint8), self.table)
        ends = np.flatnonzero(numbers == LINE_END)
        before = ends - np.arange(len(ends))  # words up to the end of each chunk
        self._offsets.frombytes((before + len(self._words)).tobytes())
        self._words.frombytes(numbers[numbers != LINE_END].tobytes())

    def has_words(self, numbers: np.ndarray) -> bool:
        offsets = np.frombuffer(self._offsets, dtype=np.int64)
        for part in (numbers[:1000], numbers):  # nearly always the first line has one
            chunks = part[part != LINE_END]
            if (offsets[chunks + 1] > offsets[chunks]).any():
                return True
        return False

    def lists(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        counts = self._chunks.counts[: self._chunks.size]
        return np.frombuffer(self._offsets, dtype=np.int64), np.frombuffer(self._words, dtype=np.int32), counts


class FileNumbering:
    """By a file of the package `tokenizers`: its tokens have numbers already, and each is a word."""

    def __init__(self, corpus: Corpus):
        self._corpus = corpus
        numbers = corpus.from_file.get_vocab()
        self._size = max(numbers.values()) + 1
        self._counts = np.zeros(self._size, dtype=np.int64)
        self._words = {number: word for word, number in numbers.items()}

    def strings(self, words: np.ndarray) -> list[str]:
        return [self._words[number] for number in words.tolist()]

    def numbers(self, block: Block) -> np.ndarray:
        numbers = array("i")
        for n, line in enumerate(self._corpus.token_ids(block.text())):
            if n:
                numbers.append(LINE_END)
            numbers.extend(line)
        found = np.frombuffer(numbers, dtype=np.int32)
        self._counts += np.bincount(found[found != LINE_END], minlength=self._size)
        return found

    def has_words(self, numbers: np.ndarray) -> bool:
        return bool((numbers != LINE_END).any())

    def lists(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.arange(self._size + 1), np.arange(self._size, dtype=np.int32), self._counts


class Scan:
    """One pass over a corpus: what words there are, and the numbers of the chunks.

    Args:
        file: where the numbers are set aside.
        digests: filled with the size and SHA-256 of each file, if given.

    Attributes:
        counts: (words,) int64, how often each different word occurs. longest: of the stream, at most.

    Raises:
        UserError: as `read`.
    """

    def __init__(
        self,
        corpus: Corpus,
        file: IO[bytes],
        threads: int = 1,
        digests: list[dict[str, int | str]] | None = None,
    ):
        self._corpus, self._file = corpus, file
        self._pieces: list[tuple[int, int]] = []  # whose numbers come next in the file, and how many
        self._lines = 0
        # `tokenizers` has threads of its own.
        self._numberings: list[Numbering] = (
            [ChunkNumbering(corpus) for _ in range(threads)] if corpus.tokenizer in RULES else [FileNumbering(corpus)]
        )
        self._read(digests)
        self._put_together()

    def _read(self, digests: list[dict[str, int | str]] | None) -> None:
        free: SimpleQueue[int] = SimpleQueue()
        for number in range(len(self._numberings)):
            free.put(number)

        def work(place: int, block: Block) -> tuple[int, int, np.ndarray, bool]:
            number = free.get()
            try:
                numbers = self._numberings[number].numbers(block)
                return place, number, numbers, self._numberings[number].has_words(numbers)
            finally:
                free.put(number)

        current, any_words = 0, False
        with Telemetry(sum(map(_size, self._corpus.paths)), "bytes", title="reading") as telemetry:
            source = _all_blocks(self._corpus, _progress(telemetry), digests)
            for place, number, numbers, found in _in_order(work, source, len(self._numberings)):
                if place != current:
                    self._end_of_file(current, any_words)
                    current, any_words = place, False
                any_words |= found
                self._set_aside(number, numbers)
        self._end_of_file(current, any_words)

    def _end_of_file(self, place: int, any_words: bool) -> None:
        """It ends a sentence."""
        if self._corpus.named[place] and not any_words:
            raise self._corpus.without_words(self._corpus.paths[place])
        self._set_aside(0, np.array([LINE_END], dtype=np.int32))

    def _set_aside(self, number: int, numbers: np.ndarray) -> None:
        self._lines += int(np.count_nonzero(numbers == LINE_END))
        self._file.write(numbers.data)
        self._pieces.append((number, len(numbers)))

    def _put_together(self) -> None:
        """All words in one table, that of the first thread, and their counts."""
        first = self._numberings[0]
        self._strings, self._lists, counted = first.strings, [], []
        for numbering in self._numberings:
            offsets, words, counts = numbering.lists()
            if numbering is not first and isinstance(first, ChunkNumbering) and isinstance(numbering, ChunkNumbering):
                there = chunk_numbers(np.frombuffer(numbering.table.text(), dtype=np.uint8), first.table)
                words = there[there != LINE_END][words]
            self._lists.append((offsets, words))
            # Sums of whole numbers in float64 are exact up to 2^53.
            counted.append(np.bincount(words, np.repeat(counts, np.diff(offsets))))
        self.counts = np.zeros(max(map(len, counted)), dtype=np.int64)
        for part in counted:
            self.counts[: len(part)] += part.astype(np.int64)
        total = int(self.counts.sum())
        self.longest = total + total // SENTENCE_LENGTH + self._lines

    def vocabulary(self, min_count: int) -> Vocabulary:
        """Of the words that occur `min_count` times or more."""
        return Vocabulary.of_counts(self._strings, self.counts, min_count)

    def ids(self, vocabulary: Vocabulary, min_count: int = 1) -> Iterator[np.ndarray]:
        """The stream of word ids, piece by piece.

        Args:
            min_count: below which no word of the vocabulary occurs; spares looking for them.
        """
        id_of = np.full(len(self.counts), END_OF_SENTENCE, dtype=np.int32)
        words = np.flatnonzero(self.counts >= max(min_count, 1))
        id_of[words] = [vocabulary.index.get(word, END_OF_SENTENCE) for word in self._strings(words)]
        lists = [(offsets, id_of[words]) for offsets, words in self._lists]
        sentence = open_sentence()
        self._file.seek(0)
        for number, length in self._pieces:
            numbers = np.frombuffer(self._file.read(4 * length), dtype=np.int32)
            yield sentence_ids(numbers, *lists[number], sentence, length=SENTENCE_LENGTH)


@contextlib.contextmanager
def _temporary_file() -> Iterator[IO[bytes]]:
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        raise UserError(
            f"{tempfile.gettempdir()} has no room for a temporary file ({error.strerror}): set TMPDIR to a folder "
            "that has 4 bytes for each word"
        ) from None


def _in_memory(scan: Scan, vocabulary: Vocabulary, min_count: int = 1) -> np.ndarray:
    stream = np.empty(scan.longest, dtype=np.int32)  # pages that nothing is written to take no memory
    length = 0
    for piece in scan.ids(vocabulary, min_count):
        stream[length : length + len(piece)] = piece
        length += len(piece)
    return stream[:length]


def _all_blocks(
    corpus: Corpus, on_read: Callable[[int], object], digests: list[dict[str, int | str]] | None
) -> Iterator[tuple[int, Block]]:
    """Every block of every file, and which file it is of."""
    for place, path in enumerate(corpus.paths):
        raw = RawFile(path, on_read, hashed=digests is not None)
        try:
            for block in blocks(path, raw):
                yield place, block
            if digests is not None:
                digests.append(raw.digest())
        finally:
            raw.close()


def _in_order(
    function: Callable[[int, Block], Result], source: Iterator[tuple[int, Block]], threads: int
) -> Iterator[Result]:
    """The results for each element of `source` in its order, by so many threads; few elements are held at once."""
    if threads == 1:
        yield from itertools.starmap(function, source)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    problem = None
    try:
        while problem is None:
            try:
                waiting.append(pool.submit(function, *next(source)))
            except (UserError, StopIteration) as error:
                problem = error  # what comes before it in the text may have a worse one, and has its turn first
            while len(waiting) > (2 * threads if problem is None else 0):
                yield waiting.popleft().result()
        if isinstance(problem, UserError):
            raise problem
    finally:
        pool.shutdown(cancel_futures=True)


def _progress(telemetry: Telemetry) -> Callable[[int], None]:
    started, done = time.monotonic(), 0

    def on_read(size: int) -> None:
        nonlocal done
        done += size
        if time.monotonic() - started > QUIET and telemetry.due():
            telemetry.show(done, {})

    return on_read


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
