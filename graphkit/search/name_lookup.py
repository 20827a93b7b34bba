"""From what a person types to one row: exact, then without regard to case, then as the only beginning.

Rows have unique names and may have titles, which need not be unique: WordNet's `02084071` is titled `dog.n.01`, and
several Freebase entities are titled `Springfield`. Both are searched. Where more than one row is meant, the answer
is a question back, never the first that happened to fit.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

from neuralcore.errors import UserError

Mode = Literal["exact", "title", "case-folded", "prefix", "vector"]
"""How a query was understood: `title` is the exact title, `prefix` the beginning of one row's name or title."""

SHOWN = 5  # names listed where a query fits several


class NameLookup:
    """The names of N rows, and which of them a query means.

    Args:
        names: N unique strings; row i is called `names[i]`.
        titles: N readable strings, "" where a row has none; None where no row has one.

    Raises:
        UserError: a name is not a string or is there twice (both rows are told), or the counts differ.
    """

    def __init__(self, names: Iterable[str], titles: Iterable[str] | None = None):
        self.names = _strings(names, "name")
        self.titles = None if titles is None else _strings(titles, "title")
        if self.titles is not None and len(self.titles) != len(self.names):
            raise UserError(f"{len(self.titles)} titles for {len(self.names)} names: give one a name, '' for none")
        self._rows: dict[str, int] = {}
        for row, name in enumerate(self.names):
            first = self._rows.setdefault(name, row)
            if first != row:
                raise UserError(f"the name {name!r} is there twice, in rows {first} and {row}: names must be unique")

    def __len__(self) -> int:
        return len(self.names)

    def understand(self, query: str) -> tuple[int, Mode]:
        """The one row meant by `query`, and how it was found.

        Raises:
            UserError: none or several rows fit; the nearest, or those that fit, are named.
        """
        if query in self._rows:
            return self._rows[query], "exact"
        wanted = _folded(query)
        if not wanted.strip():
            raise UserError("the query is empty: type a name or its beginning")
        same = self._by_folded.get(wanted, [])
        titled = [row for row in same if self.titles is not None and self.titles[row] == query]
        if len(titled) == 1:
            return titled[0], "title"
        if titled or len(same) > 1:
            raise UserError(f"{query!r} could be {self._list(titled or same, ' or ')}: type one of these names")
        if same:
            return same[0], "case-folded"
        begun = sorted({row for key, rows in self._by_folded.items() if key.startswith(wanted) for row in rows})
        if len(begun) == 1:
            return begun[0], "prefix"
        if begun:
            raise UserError(f"{query!r} begins {len(begun):,} names ({self._list(begun, ', ')}): type more of one")
        close = " or ".join(map(repr, self._nearest(wanted)))
        raise UserError(
            f"no name {query!r} among {len(self):,}: " + (f"did you mean {close}?" if close else "none is near")
        )

    @cached_property
    def _by_folded(self) -> dict[str, list[int]]:
        """Folded name or title -> its rows. Made when a query is first not exact: most never need it."""
        table: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            title = self.titles[row] if self.titles is not None else ""
            for key in {_folded(name), _folded(title or name)}:
                table.setdefault(key, []).append(row)
        return table

    def _list(self, rows: Sequence[int], separator: str) -> str:
        def label(row: int) -> str:
            title = self.titles[row] if self.titles is not None else ""
            return f"{self.names[row]!r} ({title})" if title and title != self.names[row] else repr(self.names[row])

        shown = separator.join(map(label, rows[:SHOWN]))
        return shown + (f"{separator}…" if len(rows) > SHOWN else "")

    def _nearest(self, wanted: str) -> list[str]:
        """Up to three names or titles spelt much like `wanted`.

        difflib compares letter by letter, seconds over a million names: those of about its length that share most
        letter pairs with the query are picked first, in one pass.
        """
        pairs = {wanted[i : i + 2] for i in range(len(wanted) - 1)} or {wanted}
        slack = max(2, len(wanted) // 4)
        comparable = (key for key in self._by_folded if abs(len(key) - len(wanted)) <= slack)
        likely = heapq.nlargest(100, comparable, key=lambda key: sum(pair in key for pair in pairs))
        close = difflib.get_close_matches(wanted, likely, n=3, cutoff=0.6)
        return [self._spelling(key) for key in close]

    def _spelling(self, key: str) -> str:
        """A folded key as its first row spells it."""
        row = self._by_folded[key][0]
        name = self.names[row]
        return name if _folded(name) == key or self.titles is None else self.titles[row]


def _folded(text: str) -> str:
    """Case aside, and with `_` read as a space, for phrases and identifiers are written `new_york_times`."""
    return text.casefold().replace("_", " ")


def _strings(values: Iterable[str], what: str) -> list[str]:
    out = list(values)
    for row, value in enumerate(out):
        if not isinstance(value, str):
            raise UserError(f"the {what} of row {row} is {value!r}, a {type(value).__name__}: give strings")
    return [str(value) for value in out]  # NumPy's strings become plain ones
