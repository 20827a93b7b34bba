"""Text files of any size, read block by block: plain, .gz, .xz or .zst, named one by one or by their folder.

What is wrong with a file (a byte that is not UTF-8, a NUL, a damaged archive) is said with the file and the byte,
which is counted in the text inside where the file is compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import

zstandard = lazy_import("zstandard", extra="zst")

BLOCK = 1 << 20  # bytes read at once
LONGEST_WORD = 1 << 26  # bytes without white space, after which a file is taken for something else than text
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ZST_PIECE = 1 << 12  # compressed bytes decoded at once: they may become 30,000 times as many
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


@dataclass(frozen=True)
class Block:
    """A piece of a text that ends at white space, or with its file.

    Attributes:
        path: the file. offset: where the piece begins, in bytes of the text. data: its bytes, not yet looked at.
    """

    path: Path
    offset: int
    data: bytes

    def text(self) -> str:
        """The piece decoded.

        Raises:
            UserError: it is not UTF-8, or has a NUL, which tells of UTF-16 and of files that are no text.
        """
        at = self.data.find(b"\0")
        if at >= 0:
            raise UserError(
                f"{self.path}: byte {self.offset + at} is NUL: not a text file, or UTF-16 (save it as UTF-8)"
            )
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            at = self.offset + error.start
            raise UserError(
                f"{self.path}: byte {at} (0x{self.data[error.start]:02x}) is not UTF-8: convert the file, for "
                f"example with iconv -f latin1 -t utf-8"
            ) from None


class RawFile:
    """A file as it lies on disk: what is read of it is counted, and hashed where that is asked for.

    Args:
        on_read: called with the number of bytes of each read.

    Raises:
        UserError: it cannot be opened.
    """

    def __init__(self, path: Path, on_read: Callable[[int], object] | None = None, *, hashed: bool = False):
        try:
            self._file = open(path, "rb")
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})") from None
        self._on_read = on_read
        self._digest = hashlib.sha256() if hashed else None

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if self._digest is not None:
            self._digest.update(data)
        if self._on_read is not None:
            self._on_read(len(data))
        return data

    def digest(self) -> dict[str, int | str]:
        """Size and SHA-256 of the whole file; what no one has read yet (bytes after an archive's end) is read now."""
        assert self._digest is not None
        while self.read(BLOCK):
            pass
        return {"size": self._file.tell(), "sha256": self._digest.hexdigest()}

    def close(self) -> None:
        self._file.close()


def text_files(paths: Sequence[Path]) -> list[tuple[Path, bool]]:
    """The files themselves, in order, and whether each was named (or else found in a folder that was).

    Of a folder, all files in it and below, sorted by name; hidden ones, empty ones and those with a NUL in their
    first block are left out, which stderr is told.

    Raises:
        UserError: a file is not there, or a folder has no text file.
    """
    if not paths:
        raise UserError("no text file was named: give at least one")
    files: list[tuple[Path, bool]] = []
    for path in paths:
        if path.is_dir():
            files += [(file, False) for file in _in_folder(path)]
        elif path.exists():
            files.append((path, True))
        else:
            siblings = [p.name for p in path.parent.glob("*") if p.is_file()]
            raise UserError(f"no file {path}" + (f": {nearest(path.name, siblings)}" if siblings else ""))
    return files


def blocks(path: Path, raw: RawFile | None = None) -> Iterator[Block]:
    """A file in pieces that end at a line end or, in a longer line, at other white space; without a byte order mark.

    Args:
        raw: the file, already open; it is closed by who opened it.

    Raises:
        UserError: it is empty, damaged or cut off, cannot be read, or has no white space for `LONGEST_WORD` bytes.
    """
    offset, pending = 0, b""  # where `pending` begins, in bytes of the text inside
    file = raw or RawFile(path)
    try:
        inside = _inside(path, file)
        while data := inside.read(BLOCK):
            pending += data
            cut = pending.rfind(b"\n") + 1 or max(pending.rfind(space) for space in (b" ", b"\t", b"\r")) + 1
            if cut:
                yield _block(path, offset, pending[:cut])
                offset, pending = offset + cut, pending[cut:]
            elif len(pending) > LONGEST_WORD:
                raise UserError(
                    f"{path}: no space or line end in {LONGEST_WORD:,} bytes from byte {offset}: is it text? Cut "
                    "scripts without spaces into words first"
                )
    except DAMAGE as error:
        where = f"after byte {offset + len(pending)} of the text inside"
        raise UserError(f"{path} is damaged or cut off {where} ({error}): fetch it again") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    finally:
        if raw is None:
            file.close()
    if offset + len(pending) == 0:
        raise UserError(f"{path} is empty (0 bytes): name a file with text")
    if pending:
        yield _block(path, offset, pending)


def _block(path: Path, offset: int, data: bytes) -> Block:
    if offset == 0 and data.startswith(BYTE_ORDER_MARK):
        return Block(path, len(BYTE_ORDER_MARK), data[len(BYTE_ORDER_MARK) :])
    return Block(path, offset, data)


def _inside(path: Path, raw: RawFile) -> Any:
    """Something with `read(size)` that gives the text."""
    file = cast(IO[bytes], raw)
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=file)
    if path.suffix == ".xz":
        return lzma.LZMAFile(file)
    if path.suffix == ".zst":
        return _ZstFile(raw)
    return raw


class _ZstFile:
    """Frames of Zstandard, one after the other. zstandard's own readers take a cut-off file for a whole one."""

    def __init__(self, raw: RawFile):
        self._raw = raw
        self._frame: Any = None  # None between two frames

    def read(self, _: int) -> bytes:
        """Some bytes, none at the end; by how much one piece grows is not known before."""
        while compressed := self._raw.read(ZST_PIECE):
            data = b""
            while compressed:
                if self._frame is None:
                    self._frame = zstandard.ZstdDecompressor().decompressobj()
                try:
                    data += self._frame.decompress(compressed)
                except zstandard.ZstdError as error:
                    raise zlib.error(str(error)) from None
                compressed = self._frame.unused_data
                if self._frame.eof:
                    self._frame = None
            if data:
                return data
        if self._frame is not None:
            raise EOFError("the last frame has no end")
        return b""


def _in_folder(folder: Path) -> list[Path]:
    found: list[Path] = []
    left_out: dict[str, list[str]] = {"hidden": [], "empty": [], "binary": []}
    for parent, folders, names in os.walk(folder):
        left_out["hidden"] += [name for name in folders + names if name.startswith(".")]
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    files = []
    for path in sorted(found, key=lambda path: path.relative_to(folder).parts):
        kind = _kind(path)
        if kind == "text":
            files.append(path)
        else:
            left_out[kind].append(path.name)
    parts = [f"{len(names)} {kind} ({sorted(names)[0]}, …)" for kind, names in left_out.items() if names]
    if not files:
        has = f": it has {', '.join(parts)}" if parts else ""
        raise UserError(f"{folder} is a folder without a text file{has}")
    if parts:
        print(f"{folder}: left out {', '.join(parts)}", file=sys.stderr)
    return files


def _kind(path: Path) -> str:
    """By its first block: "text", "empty" or "binary". What cannot be read counts as text: reading says why."""
    try:
        raw = RawFile(path)
    except UserError:
        return "text"
    try:
        head = _inside(path, raw).read(BLOCK)
    except (*DAMAGE, OSError):
        return "text"
    finally:
        raw.close()
    return "empty" if not head else "binary" if b"\0" in head else "text"
