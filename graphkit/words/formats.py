"""Word vectors as other programs write and read them: word2vec's two formats, of which fastText's `.vec` is one.

    text     "V D\\n", then V lines "word x_1 … x_D"
    binary   "V D\\n", then V times the word, a space, D little-endian float32 and, by some programs, "\\n"

GloVe's text format is the text format without its first line. Which of them a file has, and whether it is compressed
by gzip or xz, is told by what is in it, not by its name. No format holds the counts of the words, only their order.

Axes: V words, D dimension.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import lzma
import os
import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from neuralcore.errors import UserError

BLOCK = 1 << 20  # bytes or numbers read at once
LONGEST_WORD = 10_000  # bytes; a binary file without a space in so many is no such file
LONGEST_LINE = 1 << 20  # bytes of the beginning that are looked at
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


def write_word2vec(path: Path, words: Sequence[str], matrix: np.ndarray, *, binary: bool = False) -> Path:
    """Write either format, row by row; a path that ends in .gz or .xz is compressed.

    In the text format, numbers have the digits that give the same float32 back.

    Args:
        matrix: (V, D) float32.

    Raises:
        UserError: a word is empty or has white space in it, which neither format can hold, or the file cannot be
            written; what was there before is intact.
    """
    for word in words:
        if word.split() != [word]:
            raise UserError(f"the word {word!r} is empty or has white space, which word2vec's formats cannot hold")
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as raw:
            with contextlib.ExitStack() as stack:
                file: IO[bytes] = raw
                if path.suffix == ".gz":  # without a time in it: the same vectors are the same bytes
                    file = cast(IO[bytes], stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0)))
                elif path.suffix == ".xz":
                    file = cast(IO[bytes], stack.enter_context(lzma.LZMAFile(raw, "wb")))
                file.write(f"{len(words)} {matrix.shape[1]}\n".encode())
                for word, row in zip(words, matrix):
                    if binary:
                        file.write(word.encode() + b" " + row.astype("<f4").tobytes() + b"\n")
                    else:
                        file.write(" ".join([word, *row.astype(str)]).encode() + b"\n")
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{path} could not be written ({error.strerror}); what was there is intact") from None
    return path


def read_word2vec(
    path: Path, allocate: Callable[[tuple[int, int], type], np.ndarray] = np.empty
) -> tuple[list[str], np.ndarray]:
    """The V words and their (V, D) float32 vectors, of a file in any of these formats; `allocate` makes the matrix.

    Raises:
        UserError: the file cannot be read, is none of these, is cut off, or holds a word that is not UTF-8 or is
            there twice, or a number that is none or not finite; the line or, in a binary file, the byte is named.
    """
    with _told(path):
        layout = _layout(path)
        if layout is None:
            raise UserError(
                f"{path}: line 1 is neither 'WORDS DIMENSION' nor a word and its numbers: name a file of word "
                "vectors in word2vec's, fastText's (.vec) or GloVe's format"
            )
        with _open(path) as file:
            if layout.header:
                begin = len(file.readline())
            else:
                begin, layout.words = 0, sum(1 for _ in file)
                file.seek(0)
            try:
                matrix = allocate((layout.words, layout.dimension), np.float32)
            except (MemoryError, ValueError):
                raise UserError(
                    f"{path}: line 1 promises {layout.words:,} words of {layout.dimension:,} numbers each, more than "
                    "fits in memory: is it as it was written?"
                ) from None
            if layout.binary:
                names, offsets = _read_binary(path, file, matrix, begin)
                return _checked(path, names, matrix, lambda row: f"byte {offsets[row]}"), matrix
            first = 2 if layout.header else 1
            names = _read_text(path, file, matrix, first)
            return _checked(path, names, matrix, lambda row: f"line {row + first}"), matrix


def is_word2vec(path: Path) -> bool:
    """Whether a file begins as word vectors do, and no text; one that cannot be read does not.

    A text may begin with two numbers, or with a line such as "May 8 1902": the next lines have to fit.
    """
    try:
        layout = _layout(path)
        if layout is None or layout.binary:
            return layout is not None
        begin, end = (1, 2) if layout.header else (0, 5)
        with _open(path) as file:
            rows = [line.split() for line in itertools.islice(file, begin, end)]
        return bool(rows) and all(len(row) == layout.dimension + 1 and are_numbers(row[1:]) for row in rows)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


# -- which format ---------------------------------------------------------------------------------------------------


@dataclass
class _Layout:
    words: int
    dimension: int
    header: bool
    binary: bool


def _layout(path: Path) -> _Layout | None:
    """What the beginning of a file says, None where it is no such file; without a header, `words` is 0."""
    with _open(path) as file:
        fields = file.readline(LONGEST_LINE).split()
        if len(fields) > 2:
            return _Layout(0, len(fields) - 1, header=False, binary=False) if are_numbers(fields[1:]) else None
        if len(fields) != 2 or not all(field.isdigit() and int(field) for field in fields):
            return None
        words, dimension = map(int, fields)
        following = file.read(min(LONGEST_LINE, 4 * dimension + 1000))
    # Text, though a line may be spoilt, has none of the control characters that 4-byte numbers are full of.
    line = following.split(b"\n", 1)[0].split()
    text = (len(line) == dimension + 1 and are_numbers(line[1:])) or not CONTROL.search(following)
    return _Layout(words, dimension, header=True, binary=not text)


def are_numbers(fields: Sequence[bytes]) -> bool:
    try:
        values = [float(field) for field in fields]
    except ValueError:
        return False
    return bool(values) and b"_" not in b"".join(fields)  # 1_000 is a number in Python alone


def _open(path: Path) -> IO[bytes]:
    with open(path, "rb") as file:
        magic = file.read(len(XZ))
    if magic.startswith(GZIP):
        return cast(IO[bytes], gzip.open(path))
    return cast(IO[bytes], lzma.open(path)) if magic == XZ else open(path, "rb")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What opening, reading and unpacking a file raises, as one line for the user."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged or cut off ({error}): fetch it again") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None


# -- reading it -----------------------------------------------------------------------------------------------------


def _read_text(path: Path, file: IO[bytes], matrix: np.ndarray, first: int) -> list[bytes]:
    """Fill the matrix and return the words; `first` is the number of the first line, for messages."""
    size, dimension = matrix.shape
    names: list[bytes] = []
    while lines := list(itertools.islice(file, max(BLOCK // dimension, 1))):
        row = len(names)
        numbers = []
        for number, line in enumerate(lines, row + first):
            name, _, rest = line.partition(b" ")
            rest = rest.strip()  # the C programs end a line with a space
            found = rest.count(b" ") + bool(rest)
            if number - first >= size and not line.strip():
                continue  # an empty line at the end
            if number - first >= size:
                raise UserError(f"{path}: line {number} is one more than the {size:,} words that line 1 promises")
            if found != dimension:
                raise UserError(
                    f"{path}: line {number} has {found:,} numbers, not {dimension:,}, after the word "
                    f"{name.decode(errors='replace')!r}: one word and {dimension:,} numbers with one space between"
                )
            names.append(name)
            numbers.append(rest)
        try:  # many lines at once; one by one only to find the bad one
            values = np.fromstring(b" ".join(numbers), np.float32, sep=" ") if numbers else matrix[:0]
            matrix[row : len(names)] = values.reshape(-1, dimension)
        except ValueError:
            bad = next((n for n, rest in enumerate(numbers) if not are_numbers(rest.split(b" "))), 0)
            raise UserError(f"{path}: line {row + first + bad} has something that is no number") from None
    if len(names) < size:
        raise UserError(
            f"{path} ends after {len(names):,} of the {size:,} words that line 1 promises: fetch it again"
        )
    return names


def _read_binary(path: Path, file: IO[bytes], matrix: np.ndarray, begin: int) -> tuple[list[bytes], array[int]]:
    """Fill the matrix; returns the words and where each begins in the file, `begin` for the first."""
    size, dimension = matrix.shape
    names, offsets = [], array("q")
    data, at = b"", 0  # at: where the next word begins in data; data begins at byte `begin` of the file
    for row in range(size):
        while (space := data.find(b" ", at)) < 0 or len(data) <= space + 4 * dimension:
            if space < 0 and len(data) - at > LONGEST_WORD:
                raise UserError(f"{path}: no word begins at byte {begin + at}: is the dimension {dimension:,}?")
            data, begin, at = data[at:], begin + at, 0
            more = file.read(BLOCK)
            if not more:
                raise UserError(
                    f"{path} ends at byte {begin + len(data)}, in word {row + 1:,} of the {size:,} that line 1 "
                    "promises: fetch it again"
                )
            data += more
        names.append(data[at:space].lstrip(b"\n"))
        offsets.append(begin + at)
        matrix[row] = np.frombuffer(data, "<f4", dimension, space + 1)
        at = space + 1 + 4 * dimension
    if (data[at:] + file.read(BLOCK)).strip(b"\n"):
        raise UserError(f"{path} goes on at byte {begin + at}, after the {size:,} words that line 1 promises")
    return names, offsets


def _checked(path: Path, names: list[bytes], matrix: np.ndarray, place: Callable[[int], str]) -> list[str]:
    """The words as strings; all of them different, none empty, and all numbers finite."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        try:
            word = name.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}: {place(row)}: the word {name!r} is not UTF-8 (0x{name[error.start]:02x}): convert the file "
                "to UTF-8, or take the word out"
            ) from None
        if not word:
            raise UserError(f"{path}: {place(row)} has no word")
        if rows.setdefault(word, row) != row:
            raise UserError(
                f"{path}: the word {word!r} is there twice, at {place(rows[word])} and {place(row)}: take one out"
            )
    finite = np.isfinite(matrix.sum(axis=1, dtype=np.float64))  # float32 cannot overflow a float64 sum
    if not finite.all():
        row = int(finite.argmin())
        raise UserError(
            f"{path}: {place(row)}: the vector of {names[row].decode()!r} has NaN or infinity, or a number too large "
            "for 32 bits: take the word out, or train again"
        )
    return list(rows)
