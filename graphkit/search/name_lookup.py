"""From what a person types to one row: exact, then without regard to case, then as the only beginning.

Rows have unique names and may have titles, which need not be unique: WordNet's `02084071` is titled `dog.n.01`, and
several Freebase entities are titled `Springfield`. Both are searched. Where more than one row is meant, the answer
is a question back, never the first that happened to fit.

Rows keep their numbers: a removed one stays as a gap, and a name that comes, or comes back, gets a row at the end.
Names are bytes, which may lie in a mapped file (`graphkit.graphs.names`); added ones are a list beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from graphkit.graphs.names import Names
from graphkit.search.folded_names import FoldedNames, folded
from neuralcore.errors import UserError

Mode = Literal[
    "exact", "title", "case-folded", "prefix", "suffix", "part", "fuzzy", "analogy", "vector", "relation", "text"
]
"""How a query was understood: `title` is the exact title, `prefix` the beginning of one row's name or title (`suffix`
and `part` are of relations alone), `fuzzy` the one that is spelt most alike, `analogy` a - b + c, `relation` an edge
with a part missing, `text` what entities' features are made of."""

SHOWN = 5  # names listed where a query fits several
SUGGESTED = 3  # names suggested where it fits none


class NameLookup:
    """The names of N rows, and which of them a query means.

    Args:
        names: N unique strings; row i is called `names[i]`.
        titles: N readable strings, "" where a row has none; None where no row has one.
        removed: (N,) which rows are gone, as `parts` gave it; with it, the names are known to be unique.

    Raises:
        UserError: a name is not a string, empty or there twice (both rows are told), or the counts differ.
    """

    def __init__(self, names: Iterable[str], titles: Iterable[str] | None = None, removed: np.ndarray | None = None):
        self._names, self._new_names = _bytes(names, "name"), list[str]()
        self._titles = None if titles is None else _bytes(titles, "title")
        self._new_titles = list[str]()
        if self._titles is not None and len(self._titles) != len(self._names):
            raise UserError(f"{len(self._titles)} titles for {len(self._names)} names: give one a name, '' for none")
        self._moved: dict[str, int] = {}  # name -> its row, of those that were added
        if removed is None:
            self._check_unique()
            removed = np.zeros(len(self._names), bool)
        self.removed, self.gaps = removed, int(removed.sum())  # counted once: a search asks each time
        self._folded: FoldedNames | None = None

    def _check_unique(self) -> None:
        if (empty := np.flatnonzero(np.diff(self._names.offsets) == 0)).size:
            raise UserError(f"the name of row {empty[0]} is empty: a row is asked for by its name")
        firsts = self._names.firsts()
        again = np.flatnonzero(firsts != np.arange(len(firsts)))
        if again.size:
            row = int(again[0])
            raise UserError(
                f"the name {self._names[row]!r} is there twice, in rows {firsts[row]} and {row}: names must be unique"
            )

    @property
    def rows(self) -> int:
        """How many rows there are, with those that are removed."""
        return len(self.removed)

    def __len__(self) -> int:
        return self.rows - self.gaps

    def __contains__(self, name: str) -> bool:
        return self.row_of(name) is not None

    @property
    def names(self) -> Sequence[str]:
        """What the rows are called, without those that are removed."""
        if not self._new_names and not self.gaps:
            return self._names
        return [self.name(row) for row in self.live]

    @property
    def titles(self) -> Sequence[str] | None:
        """Their titles, None where no row ever had one."""
        if self._titles is None or (not self._new_names and not self.gaps):
            return self._titles
        return [self.title(row) for row in self.live]

    @property
    def live(self) -> list[int]:
        """The rows that are not removed."""
        return np.flatnonzero(~self.removed).tolist()

    def name(self, row: int) -> str:
        """What a row is called, or was."""
        old = len(self._names)
        return self._names[row] if row < old else self._new_names[row - old]

    def title(self, row: int) -> str:
        """A row's title, "" where it has none."""
        if self._titles is None:
            return ""
        old = len(self._titles)
        return self._titles[row] if row < old else self._new_titles[row - old]

    def row_of(self, name: str) -> int | None:
        """The row of exactly this name, if there is one."""
        if self._moved and (moved := self._moved.get(name)) is not None:
            return moved
        try:
            row = self._names.number(name)
        except UnicodeEncodeError as error:
            raise UserError(f"the query {error.object!r} is not UTF-8: type it anew") from None
        return None if row < 0 or self.removed[row] else row

    def rows_of(self, names: Sequence[str]) -> np.ndarray:
        """(B,) the rows of exactly these names, -1 for one that is not here.

        Raises:
            UserError: one cannot be a name, for it holds half of a surrogate pair.
        """
        try:
            rows = self._names.numbers(names).astype(np.int64)
        except UnicodeEncodeError as error:
            raise UserError(f"the query {error.object!r} is not UTF-8: type it anew") from None
        if self.gaps:
            rows[(rows >= 0) & self.removed[rows]] = -1
        if self._moved:
            rows = np.array([self._moved.get(name, row) for name, row in zip(names, rows.tolist())], np.int64)
        return rows

    def add(self, names: Sequence[str], titles: Sequence[str] | None) -> None:
        """Rows at the end; the names are new, or their rows were removed."""
        if titles is not None and self._titles is None:
            self._titles = Names.of([""] * len(self._names))
            self._new_titles = [""] * len(self._new_names)
        start = self.rows
        self._new_names += names
        if self._titles is not None:
            self._new_titles += titles if titles is not None else [""] * len(names)
        self._moved.update(zip(names, range(start, start + len(names))))
        self.removed = np.concatenate([self.removed, np.zeros(len(names), bool)])
        self._folded = None

    def remove(self, rows: np.ndarray) -> None:
        """Leave these rows as gaps."""
        # A new array: whoever took a mask from the old one goes on with that.
        self.removed = self.removed.copy()
        self.removed[rows] = True
        self.gaps += len(rows)
        if self._moved:
            for row in rows.tolist():
                self._moved.pop(self.name(row), None)

    def parts(self) -> tuple[Names, Names | None, np.ndarray]:
        """Names and titles of all rows, "" for a gap, and which rows are gaps: what is saved."""
        if not self._new_names and not self.gaps:
            return self._names, self._titles, self.removed
        gone = self.removed.tolist()
        names = Names.of(["" if gone[row] else self.name(row) for row in range(self.rows)])
        if self._titles is None:
            return names, None, self.removed
        return names, Names.of(["" if gone[row] else self.title(row) for row in range(self.rows)]), self.removed

    def understand(self, query: str, fuzzy: bool = False) -> tuple[int, Mode]:
        """The one row meant by `query`, and how it was found; with `fuzzy`, where none is, the one spelt most alike.

        Raises:
            UserError: none or several rows fit; the nearest, or those that fit, are named.
        """
        if (row := self.row_of(query)) is not None:
            return row, "exact"
        wanted = folded(query)
        if not wanted.strip():
            raise UserError("the query is empty: type a name or its beginning")
        same = self._alive(self.folded.same(wanted))
        titled = [row for row in same if self.title(row) == query]
        if len(titled) == 1:
            return titled[0], "title"
        if titled or len(same) > 1:
            raise UserError(f"{query!r} could be {self._list(titled or same, ' or ')}: type one of these names")
        if same:
            return same[0], "case-folded"
        begun = self._alive(self.folded.begun(wanted))
        if len(begun) == 1:
            return begun[0], "prefix"
        if begun:
            raise UserError(f"{query!r} begins {len(begun):,} names ({self._list(begun, ', ')}): type more of one")
        alike = list(self._spelt_like(wanted))
        if alike and fuzzy:
            return alike[0][0], "fuzzy"
        close = " or ".join(repr(name) for _, name in alike)
        raise UserError(
            f"no name {query!r} among {len(self):,}: " + (f"did you mean {close}?" if close else "none is near")
        )

    def suggest(self, beginning: str, count: int) -> list[str]:
        """Up to `count` names to go on from what has been typed: those that begin so, else those spelt alike."""
        wanted = folded(beginning)
        begun = [self.name(row) for row in self._alive(self.folded.begun(wanted))[:count]]
        return begun or [self.name(row) for row, _ in self._spelt_like(wanted)][:count]

    @property
    def folded(self) -> FoldedNames:
        """Names and titles without regard to case. Made when a query is first not exact: most never need it."""
        if self._folded is None:
            names = [*self._names, *self._new_names]
            self._folded = FoldedNames(names, None if self._titles is None else [*self._titles, *self._new_titles])
        return self._folded

    def _alive(self, rows: Sequence[int]) -> list[int]:
        return [row for row in rows if not self.removed[row]]

    def _list(self, rows: Sequence[int], separator: str) -> str:
        def label(row: int) -> str:
            name, title = self.name(row), self.title(row)
            return f"{name!r} ({title})" if title and title != name else repr(name)

        shown = separator.join(map(label, rows[:SHOWN]))
        return shown + (f"{separator}…" if len(rows) > SHOWN else "")

    def _spelt_like(self, wanted: str) -> Iterator[tuple[int, str]]:
        """Up to three rows with a name or title spelt much like `wanted`, and that name or title."""
        found = 0
        for key in self.folded.alike(wanted):
            rows = self._alive(self.folded.same(key))
            if rows and found < SUGGESTED:
                found += 1
                name = self.name(rows[0])
                yield rows[0], name if folded(name) == key else self.title(rows[0])


def _bytes(values: Iterable[str], what: str) -> Names:
    if isinstance(values, Names):
        return values
    out = list(values)
    for row, value in enumerate(out):
        if not isinstance(value, str):
            raise UserError(f"the {what} of row {row} is {value!r}, a {type(value).__name__}: give strings")
    try:
        return Names.of(out)
    except UnicodeEncodeError:
        raise UserError(
            f"a {what} holds half of a surrogate pair, which no UTF-8 has: give whole characters"
        ) from None
