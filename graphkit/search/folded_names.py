"""Names and titles without regard to case, sorted: equal ones and beginnings are found by bisection.

A million names take a second or two to fold and sort, once, when a query is first not an exact name; after that
a beginning is found in microseconds, which is what a search box needs.
"""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit.graphs.names import Names
from neuralcore.lazy import lazy_import
from neuralcore.similar_names import most_alike

compute = lazy_import("pyarrow.compute")

LIKELY = 100  # names that are compared letter by letter
PAST = b"\xff"  # after every letter: no byte of UTF-8 is as large


class FoldedNames:
    """Keys of N rows: their folded names, and their folded titles where these differ.

    Args:
        names: N names. titles: N readable ones, "" for none; None where no row has one.
    """

    def __init__(self, names: Sequence[str], titles: Sequence[str] | None):
        keys = [folded(name) for name in names]
        rows = np.arange(len(keys))
        if titles is not None:
            second = [(row, folded(title)) for row, title in enumerate(titles) if title]
            second = [(row, key) for row, key in second if key != keys[row]]
            keys += [key for _, key in second]
            rows = np.concatenate([rows, np.array([row for row, _ in second], np.int64)])
        array = Names.of(keys).arrow()
        order = compute.array_sort_indices(array)
        self.keys, self.rows = Names.from_arrow(array.take(order)), rows[order.to_numpy()]

    def same(self, key: str) -> list[int]:
        """The rows whose folded name or title is `key`, in order."""
        return self._between(key.encode(), key.encode() + b"\0")

    def begun(self, beginning: str) -> list[int]:
        """The rows whose folded name or title begins so, in order."""
        return self._between(beginning.encode(), beginning.encode() + PAST)

    def _between(self, first: bytes, last: bytes) -> list[int]:
        keys = _Bytes(self.keys)
        start = bisect.bisect_left(keys, first)
        return np.unique(self.rows[start : bisect.bisect_left(keys, last, start)]).tolist()

    def alike(self, key: str) -> list[str]:
        """Keys that are spelt much like one, the nearest first.

        difflib compares letter by letter, seconds over a million names: those that share most pairs of letters are
        picked first, in one pass.
        """
        likely = dict.fromkeys(most_alike(key, self.keys, LIKELY))
        return difflib.get_close_matches(key, likely, n=10, cutoff=0.6)


class _Bytes(Sequence[bytes]):
    """Names as their bytes, whose order is that of the sorting."""

    def __init__(self, names: Names):
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: Any) -> Any:
        begin, end = self.names.offsets[place], self.names.offsets[place + 1]
        return self.names.data[begin:end].tobytes()


def folded(text: str) -> str:
    """Case aside, and with `_` read as a space, for phrases and identifiers are written `new_york_times`."""
    return text.casefold().replace("_", " ")
