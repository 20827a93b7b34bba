"""What a search answers with: neighbours, and how the query was understood.

Answers hold rows and scores; a row's name becomes a string when it is looked at, for of a large batch many never are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from graphkit.search.name_lookup import Mode, NameLookup
from graphkit.search.relation_names import Ask, Part


@dataclass(frozen=True)
class Match:
    """One neighbour.

    Attributes:
        name: of the row.
        score: more is nearer: the cosine, the inner product, or for l2 minus the Euclidean distance.
        rank: from 1.
        title: the row's readable name, "" where it has none.
    """

    name: str
    score: float
    rank: int
    title: str = ""


class Matches(Sequence[Match]):
    """The neighbours of one query, nearest first.

    Attributes:
        mode: how the query was understood, a `Mode`: "exact", "title", "case-folded", "prefix", "fuzzy", "analogy",
            "vector", "relation" or "text".
        name: the row it was understood as, for an analogy the three as "a - b + c"; None for a vector or a text.
    """

    __slots__ = ("_matches", "mode", "name")

    def __init__(self, matches: Sequence[Match], mode: Mode, name: str | None = None):
        self._matches, self.mode, self.name = matches, mode, name

    def __len__(self) -> int:
        return len(self._matches)

    @overload
    def __getitem__(self, key: int) -> Match: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Match]: ...
    def __getitem__(self, key: int | slice) -> Match | Sequence[Match]:
        return self._matches[key]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


class RelationMatches(Matches):
    """The best answers to one ask, best first: entities, or relations where these are asked for.

    Attributes:
        mode: "relation". name: the ask as it was understood, "Berlin, capital_of, ?".
        ask: the same, as an `Ask` of the graph's own names.
        modes: how the two parts that were given were understood, {"head": "case-folded", "relation": "suffix"}.
        metric: the comparator, which the scores are by.
        rows: (k,) the answers' numbers in the graph, of entities or of relations.
    """

    __slots__ = ("ask", "metric", "modes", "rows")

    def __init__(self, found: Sequence[Match], ask: Ask, modes: dict[Part, Mode], metric: str, rows: np.ndarray):
        super().__init__(found, "relation", str(ask))
        self.ask, self.modes, self.metric, self.rows = ask, modes, metric, rows


class FoundRows(Sequence[Match]):
    """Rows and their scores as `Match`es that are made when asked for.

    Args:
        lookup: what the rows are called. scores, rows: (k,), nearest first.
    """

    __slots__ = ("lookup", "rows", "scores")

    def __init__(self, lookup: NameLookup, scores: np.ndarray, rows: np.ndarray):
        self.lookup, self.scores, self.rows = lookup, scores, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self[place] for place in range(*key.indices(len(self)))]
        place = range(len(self))[key]
        row = int(self.rows[place])
        return Match(self.lookup.name(row), float(self.scores[place]), place + 1, self.lookup.title(row))
