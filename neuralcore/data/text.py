"""Texts in files: UTF-8, plain or packed by gzip or xz."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuralcore.errors import UserError

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}


def read_text(path: str | Path) -> str:
    """A whole text, its line ends made "\\n".

    Raises:
        UserError: no such file, one that cannot be unpacked, bytes that are not UTF-8, or nothing in it.
    """
    path = Path(path)
    try:
        with OPENERS.get(path.suffix, open)(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise UserError(f"{path} is not there: name a text, .txt, .gz or .xz") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder: name a text in it") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UserError(f"{path} could not be read: {error}") from None
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> str:
    """A whole text of bytes, its line ends made "\\n".

    Args:
        name: of where they are from, for errors.

    Raises:
        UserError: bytes that are not UTF-8, or nothing but white space.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{name}:{line}: byte {error.start:,} is 0x{data[error.start]:02x}, which is no UTF-8: convert it first, "
            f"as by `iconv -f latin1 -t utf8`"
        ) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.strip():
        raise UserError(f"{name} is empty: there is nothing to learn from")
    return text


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text without their ends; empty ones too, but for those behind the last.

    Raises:
        UserError: as `read_text`.
    """
    return read_text(path).rstrip("\n").split("\n")
