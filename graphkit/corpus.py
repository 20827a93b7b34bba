"""Text files as sentences of words, and as one stream of word numbers; read block by block, in bounded memory.

A line is a sentence, cut after `SENTENCE_LENGTH` words (word2vec's rule), so a text without line ends works too.
Files are UTF-8: plain, .gz or .xz. There are two ways to make words of a line:

    words       runs of Unicode letters with the marks that belong to them (accents, vowel signs, joiners), and
                apostrophes between letters: "Don't stop, Zoë—42 o’clock!" -> Don't stop Zoë o'clock. The typographic
                apostrophe becomes the plain one; digits, underscores and all else separate words.
    whitespace  what stands between white space, as it stands: for text that is already cut into words, and for
                scripts without spaces, once a segmenter has been over them.
"""

from __future__ import annotations

import gzip
import lzma
import re
import unicodedata
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, cast

from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np

    from graphkit.vocabulary import Vocabulary
else:
    np = lazy_import("numpy")

Tokenizer = Literal["words", "whitespace"]

SENTENCE_LENGTH = 1000  # words, after which a longer line is cut
BLOCK = 1 << 20  # bytes read at once
LONGEST_WORD = 1 << 26  # bytes without a space or line end, after which a file is taken for something else than text
END_OF_SENTENCE = -1  # as in neuralcore.kernels.skipgram_windows


class Corpus:
    """The sentences of one or more text files.

    Args:
        paths: the files, in order.
        tokenizer: "words" or "whitespace", see above.
        lowercase: whether words are lower-cased (`str.lower`, which knows all scripts).

    Raises:
        UserError: a file is not there.
    """

    def __init__(
        self, paths: str | Path | Sequence[str | Path], *, tokenizer: Tokenizer = "words", lowercase: bool = True
    ):
        given = [paths] if isinstance(paths, (str, Path)) else list(paths)
        self.paths = [Path(path) for path in given]
        self.tokenizer, self.lowercase = tokenizer, lowercase
        if not self.paths:
            raise UserError("no text file was named: give at least one")
        for path in self.paths:
            if path.is_dir():
                raise UserError(f"{path} is a folder, not a text file: name the files in it")
            if not path.exists():
                siblings = [p.name for p in path.parent.glob("*") if p.is_file()]
                raise UserError(f"no file {path}" + (f": {nearest(path.name, siblings)}" if siblings else ""))

    def sentences(self) -> Iterator[list[str]]:
        """Every sentence that has a word, file after file.

        Raises:
            UserError: a file is empty, has no words, is not UTF-8 text, or is damaged; file and byte are named.
        """
        for path in self.paths:
            yield from self._sentences_of(path)

    def ids(self, vocabulary: Vocabulary, path: Path | None = None) -> np.ndarray:
        """(N,) int32: the numbers of the words, -1 after each sentence; words outside the vocabulary are left out.

        Args:
            vocabulary: counted over this same corpus.
            path: a .npy file to keep them in, memory-mapped; None keeps them in memory, 4 bytes a word.

        Raises:
            UserError: the files are no longer those that the vocabulary was counted on, or the disk is full.
        """
        if path is None:
            stream = array("i")
            self._write(vocabulary, stream.extend)
            ids = np.frombuffer(stream, dtype=np.int32)
        else:
            try:
                with open(path, "wb") as file:
                    # The header has room for any length, so it is written again when the length is known.
                    length = 0
                    np.lib.format.write_array_header_1_0(file, _header(length))
                    length = self._write(vocabulary, lambda numbers: file.write(array("i", numbers)))
                    file.seek(0)
                    np.lib.format.write_array_header_1_0(file, _header(length))
            except OSError as error:
                path.unlink(missing_ok=True)
                raise UserError(f"{path} could not be written ({error.strerror}): free some space") from None
            ids = np.load(path, mmap_mode="r")
        return ids

    def _write(self, vocabulary: Vocabulary, write: Callable[[list[int]], object]) -> int:
        """Hand the numbers on sentence by sentence; returns how many there were."""
        index, length, words = vocabulary.index, 0, 0
        for sentence in self.sentences():
            numbers = [index[word] for word in sentence if word in index]
            if numbers:
                words += len(numbers)
                numbers.append(END_OF_SENTENCE)
                length += len(numbers)
                write(numbers)
        if words != vocabulary.total:
            names = ", ".join(map(str, self.paths))
            raise UserError(
                f"{names} changed while it was read ({vocabulary.total:,} words, then {words:,}): start again"
            )
        return length

    def _sentences_of(self, path: Path) -> Iterator[list[str]]:
        sentence: list[str] = []
        empty = True
        for text in _blocks(path):
            lines = self._tokenized(text)
            # All but the last were ended by a line end; the last goes on in the next block.
            for n, words in enumerate(lines):
                sentence += words
                while len(sentence) >= SENTENCE_LENGTH:
                    yield sentence[:SENTENCE_LENGTH]
                    sentence, empty = sentence[SENTENCE_LENGTH:], False
                if n < len(lines) - 1 and sentence:
                    yield sentence
                    sentence, empty = [], False
        if sentence:
            yield sentence
        elif empty:
            kind = "letters" if self.tokenizer == "words" else "words"
            raise UserError(f"{path} holds no words (0 {kind} in all of it): is it the right file?")

    def _tokenized(self, text: str) -> list[list[str]]:
        """The words of each line, by this corpus's rule."""
        if self.lowercase:
            text = text.lower()
        if self.tokenizer == "whitespace":
            return [line.split() for line in text.split("\n")]
        find = _word().findall
        return [find(line) for line in text.replace("’", "'").split("\n")]


@lru_cache(maxsize=1)
def _word() -> re.Pattern[str]:
    """Letters with their marks (Unicode category M, and the two joiners of Persian and Hindi), and inner apostrophes.

    Marks of the Basic Multilingual Plane only, that is of all living scripts but a few: with others beside them the
    regular expression is ten times slower.
    """
    marks = "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c).startswith("M"))
    part = rf"[^\W\d_]++(?:[{re.escape(marks)}\u200c\u200d]++[^\W\d_]*+)*+"
    return re.compile(f"{part}(?:'{part})*+")


def _header(length: int) -> dict[str, object]:
    return {"descr": "<i4", "fortran_order": False, "shape": (length,)}


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path))
    if path.suffix == ".xz":
        return cast(IO[bytes], lzma.open(path))
    return open(path, "rb")


def _blocks(path: Path) -> Iterator[str]:
    """The text of a file in pieces that end at a line end or, in a longer line, at a space."""
    offset, pending = 0, b""  # where `pending` begins, in bytes of the text inside
    try:
        with _open(path) as file:
            while data := file.read(BLOCK):
                pending += data
                cut = max(pending.rfind(b"\n"), 0) or pending.rfind(b" ")
                if cut > 0:
                    yield _decode(pending[: cut + 1], path, offset)
                    offset, pending = offset + cut + 1, pending[cut + 1 :]
                elif len(pending) > LONGEST_WORD:
                    raise UserError(
                        f"{path}: no space or line end in {LONGEST_WORD:,} bytes from byte {offset}: is it text? Cut "
                        "scripts without spaces into words first"
                    )
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        where = f"after byte {offset + len(pending)} of the text inside"
        raise UserError(f"{path} is damaged or cut off {where} ({error}): fetch it again") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    if offset + len(pending) == 0:
        raise UserError(f"{path} is empty (0 bytes): name a file with text")
    if pending:
        yield _decode(pending, path, offset)


def _decode(data: bytes, path: Path, offset: int) -> str:
    at = data.find(b"\0")
    if at >= 0:
        raise UserError(f"{path}: byte {offset + at} is NUL: not a text file, or UTF-16 (save it as UTF-8)")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        at = offset + error.start
        raise UserError(
            f"{path}: byte {at} (0x{data[error.start]:02x}) is not UTF-8: convert the file, for example with "
            f"iconv -f latin1 -t utf-8"
        ) from None
    return text.removeprefix("\ufeff") if offset == 0 else text
