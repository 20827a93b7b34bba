"""From what a person types to one relation, and from "berlin, capital of, ?" to what is asked for.

Relations are called as their makers liked: `capital_of`, `_hypernym`, `/people/person/spouse_s./…/marriage/spouse`.
So they are compared without regard to case and punctuation, and the end or a part of one name only will do as its
beginning does: `spouse` is enough where one relation ends so. Where several fit, they are listed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from graphkit.search.name_lookup import SHOWN, SUGGESTED, Mode
from neuralcore.errors import UserError

BETWEEN = re.compile(r"[\W_]+")
UNKNOWN = "?"
Part = Literal["head", "relation", "tail"]


class Ask(NamedTuple):
    """An edge of which one part is not known, and asked for: that one is None."""

    head: str | None = None
    relation: str | None = None
    tail: str | None = None

    @property
    def asked(self) -> Part:
        """Which part that is.

        Raises:
            UserError: it is not one of them.
        """
        parts: tuple[Part, Part, Part] = ("head", "relation", "tail")
        missing = [part for part, value in zip(parts, self) if value is None]
        if len(missing) != 1:
            told = "none is" if not missing else f"{' and '.join(missing)} are"
            raise UserError(
                f"two of head, relation and tail are given and the third is asked for: here {told} missing"
            )
        return missing[0]

    def __str__(self) -> str:
        return ", ".join(UNKNOWN if part is None else part for part in self)


def is_typed_ask(text: str) -> bool:
    """Whether a text has the form of an edge with a ? in it: "berlin, capital of, ?"."""
    parts = [part.strip() for part in text.split(",")]
    return len(parts) > 2 and UNKNOWN in parts


def readings(text: str) -> list[Ask]:
    """What a typed ask may mean: names may hold commas, so each comma is tried as the one between two parts.

    Raises:
        UserError: there is not one ? in it.
    """
    parts = [part.strip() for part in text.split(",")]
    if parts.count(UNKNOWN) != 1 or len(parts) < 3:
        raise UserError(f"{text!r} asks for one part: 'head, relation, ?', '?, relation, tail' or 'head, ?, tail'")
    place = parts.index(UNKNOWN)
    if 0 < place < len(parts) - 1:
        return [Ask(_between(text, 0, place), None, _between(text, place + 1, len(parts)))]
    first, last = (1, len(parts)) if place == 0 else (0, place)
    pairs = [(_between(text, first, at), _between(text, at, last)) for at in range(first + 1, last)]
    return [Ask(None, a, b) if place == 0 else Ask(a, b, None) for a, b in pairs]


def _between(text: str, first: int, last: int) -> str:
    """Pieces of a text between its commas, as they stand there."""
    return ",".join(text.split(",")[first:last]).strip()


class RelationNames:
    """The names of R relations, and which of them is meant."""

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        self._row = {name: row for row, name in enumerate(self.names)}
        self._keys = [f" {_key(name)} " for name in self.names]

    def understand(self, query: str, fuzzy: bool = False) -> tuple[int, Mode]:
        """The number of the one relation meant by `query`, and how it was found.

        Raises:
            UserError: none or several fit; the nearest, or those that fit, are named.
        """
        if query in self._row:
            return self._row[query], "exact"
        wanted = _key(query)
        ways: tuple[tuple[Mode, str, Callable[[str, str], bool], str], ...] = (
            ("case-folded", "names", str.__eq__, f" {wanted} "),
            ("prefix", "begins", str.startswith, f" {wanted}"),
            ("suffix", "ends", str.endswith, f" {wanted} "),
            ("part", "is in", str.__contains__, f" {wanted} "),
        )
        for mode, verb, fits, key in ways if wanted else ():
            rows = [row for row, mine in enumerate(self._keys) if fits(mine, key)]
            if len(rows) == 1:
                return rows[0], mode
            if rows:
                raise UserError(f"{query!r} {verb} {len(rows):,} relations ({self._list(rows)}): type more of one")
        alike = self._alike(wanted)
        if alike and fuzzy:
            return alike[0], "fuzzy"
        close = f"did you mean {' or '.join(repr(self.names[row]) for row in alike)}?" if alike else ""
        raise UserError(f"no relation {query!r}: {close or 'known: ' + self._list(range(len(self.names)))}")

    def _alike(self, wanted: str) -> list[int]:
        """Up to three relations with a name, or a last piece of a path, that is spelt much like `wanted`."""
        rows: dict[str, int] = {}
        for row, name in enumerate(self.names):
            for key in (self._keys[row].strip(), _key(re.split(r"[/.:#]", name.rstrip("/.:#"))[-1])):
                rows.setdefault(key, row)
        found = difflib.get_close_matches(wanted, rows, n=2 * SUGGESTED, cutoff=0.6)
        return list(dict.fromkeys(rows[key] for key in found))[:SUGGESTED]

    def _list(self, rows: Sequence[int]) -> str:
        return ", ".join(repr(self.names[row]) for row in rows[:SHOWN]) + (", …" if len(rows) > SHOWN else "")


def _key(name: str) -> str:
    """A relation's words: case and punctuation aside."""
    return BETWEEN.sub(" ", name.casefold()).strip()
