"""Which of millions of names are spelt most like one: a first choice, which is then compared letter by letter.

Comparing five million names as `difflib` does takes minutes. Here each pair of neighbouring bytes of a name is looked
up in a table of those that the wanted name has, and names are ordered by

    shared pairs / (their length + the wanted one's)

which is Dice's coefficient of the pairs, up to a factor, as long as no pair is there twice. A slip in a name of n
letters leaves n - 3 of its pairs or more; a name of three letters with another in the middle shares none, and is not
found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

BLOCK = 1 << 16  # names at a time: their pairs take a few megabytes
Encoded = tuple[np.ndarray, np.ndarray]


def most_alike(name: str, names: Sequence[Any], count: int) -> list[str]:
    """Up to `count` of N names that share most pairs with one, in their order; fewer where others share none.

    Args:
        names: strings, or an object whose `encoded(size)` gives them as blocks of bytes (uint8) and of (B + 1,)
            offsets into these.
    """
    wanted = np.frombuffer(name.encode(), np.uint8).astype(np.intp)
    has = np.zeros(1 << 16, bool)
    has[wanted[:-1] << 8 | wanted[1:]] = True
    blocks: Iterable[Encoded] = names.encoded(BLOCK) if hasattr(names, "encoded") else _encoded(names)
    best, rows, start = np.zeros(0), np.zeros(0, np.int64), 0
    for data, offsets in blocks:
        shares = _shares(data, offsets, has, len(wanted))
        # Only those that are not behind all that are kept already.
        least = best.min() if len(best) == count else 0.0
        mine = np.flatnonzero(shares > least)
        best, rows = np.concatenate([best, shares[mine]]), np.concatenate([rows, start + mine])
        if len(best) > count:
            kept = np.argsort(-best, kind="stable")[:count]  # of equals the first
            best, rows = best[kept], rows[kept]
        start += len(shares)
    return [str(names[row]) for row in np.sort(rows).tolist()]


def _shares(data: np.ndarray, offsets: np.ndarray, has: np.ndarray, length: int) -> np.ndarray:
    """(B,) of each name its shared pairs over its length and the wanted one's."""
    lengths = np.diff(offsets)
    pairs = data[:-1].astype(np.uint16) << 8 | data[1:]
    hits = np.zeros(len(pairs) + 1, np.int32)
    np.cumsum(has.take(pairs), out=hits[1:])
    # The pair at byte i is of bytes i and i + 1, so a name's last byte begins none.
    begins = np.minimum(offsets[:-1], len(pairs))
    ends = np.maximum(offsets[1:] - 1, begins)
    return np.minimum(hits[ends] - hits[begins], max(length - 1, 0)) / np.maximum(lengths + length, 1)


def _encoded(names: Sequence[Any]) -> Iterator[Encoded]:
    """Strings as blocks of bytes."""
    for start in range(0, len(names), BLOCK):
        block = list(map(str, names[start : start + BLOCK]))
        data, lengths = "".join(block).encode(), list(map(len, block))
        if len(data) != sum(lengths):  # not all of it is ASCII
            lengths = [len(name.encode()) for name in block]
        yield np.frombuffer(data, np.uint8), np.cumsum([0, *lengths])
