"""Which row of a text is bad, by file, line and column: found by reading it once more, line by line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphkit.text_files import blocks
from neuralcore.errors import UserError

ROLES = ("head", "relation", "tail", "weight")
# what a weight may be; inf and nan are none
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def dialect(delimiter: str) -> dict[str, Any]:
    """What csv.reader is told: with tabs, quotes are nothing special."""
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    return {"delimiter": delimiter, "quoting": quoting}


def first(
    path: Path, delimiter: str, header: bool, places: Mapping[str, int], columns: int, otherwise: str
) -> UserError:
    """The first bad row of a file, as an error; `otherwise` is said where none is found.

    Args:
        places: role -> the number of its column, from 0. columns: of a good row.
    """
    reader = csv.reader(_lines(path), **dialect(delimiter))
    remedy = "mend it, or leave such rows out by --bad-rows skip"
    rows = (fields for fields in reader if fields)
    try:
        if header:
            next(rows, None)
        for fields in rows:
            place = f"{path}:{reader.line_num}"
            if len(fields) != columns:
                found = f"{len(fields)} column" + ("s" if len(fields) > 1 else "")
                at = min(len(fields), columns) + 1
                tabs = "tabs" if delimiter == "\t" else repr(delimiter)
                return UserError(f"{place}:{at}: {found}, expected {columns} separated by {tabs}; {remedy}")
            for role, at in places.items():
                reason = fault(fields[at], role)
                if reason:
                    return UserError(f"{place}:{at + 1}: {reason}; {remedy}")
    except csv.Error as error:
        return UserError(f"{path}:{reader.line_num}: {error}; {remedy}")
    return UserError(f"{path}: {otherwise}; {remedy}")


def fault(text: str, role: str) -> str | None:
    """What is wrong with a field, if anything; bytes that are not UTF-8 are lone surrogates in it."""
    if role == "weight":
        if not re.fullmatch(NUMBER, text, re.ASCII):
            return f"weight {text!r} is no number"
        return None if 0.0 < float(text) < 3.5e38 else f"weight {text} is not a number above 0"
    if not text:
        return f"the {role} is empty; every head, relation and tail has a name"
    if "\0" in text:
        return f"the {role} has a NUL byte; this is not a text file"
    bad = next((ord(c) - 0xDC00 for c in text if 0xDC80 <= ord(c) <= 0xDCFF), None)
    return None if bad is None else f"the {role} is not UTF-8 (byte 0x{bad:02x}); save the file as UTF-8"


def _lines(path: Path) -> Iterator[str]:
    pending = b""
    for block in blocks(path):
        *lines, pending = (pending + block.data).split(b"\n")
        yield from (line.decode(errors="surrogateescape") + "\n" for line in lines)
    if pending:
        yield pending.decode(errors="surrogateescape")
