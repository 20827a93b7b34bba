"""Who did X marry: the entities that best complete (head, relation, ?) or (?, relation, tail), and the relations that
best complete (head, ?, tail), by the operator and the comparator of a trained graph.

    score(h, r, t) = comparator( operator(x_h, w_r), x_t )

Candidates are of the type that a relation's answers are of, and are found by `graphkit.search.candidates`. Answers
are those of `GraphEmbedding.predict`.

Axes: M asks, R relations, k answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from graphkit.embedding.evaluation import HEADS, TAILS
from graphkit.embedding.questions import KnownAnswers
from graphkit.search.candidates import Candidates
from graphkit.search.matches import FoundRows, RelationMatches
from graphkit.search.name_lookup import Mode, NameLookup
from graphkit.search.relation_names import Ask, Part, RelationNames, readings
from graphkit.search.rows import checked_k, told_apart
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding

SURE: dict[Mode, int] = {"exact": 0, "title": 1, "case-folded": 1, "fuzzy": 3}  # of ways to understand; others 2
ALL = ""  # in place of a type: entities of all of them


class Relation(NamedTuple):
    """A relation of the graph: the types of its heads and tails, and which of them it was trained to tell, `sides`
    ("both", "heads" or "tails")."""

    name: str
    head: str
    tail: str
    sides: str


@dataclass(frozen=True)
class _Understood:
    """An ask by numbers: the entity `given` (two where the relation is asked for), the relation, -1 where it is."""

    ask: Ask
    modes: dict[Part, Mode]
    given: tuple[int, ...]
    relation: int

    @property
    def unsure(self) -> int:
        return max(SURE.get(mode, 2) for mode in self.modes.values())


class RelationIndex:
    """What a trained graph knows about relations, asked for by names. Searching from several threads is safe.

    Args:
        embedding: trained or loaded.
        factory: "Flat" compares with every candidate; "auto" does so while that is quick and else chooses as
            `SearchIndex` does; or a FAISS factory string.
        recall: the share of the 10 best answers that an approximate index is made to find, measured by questions of
            the graph's own training edges; what was reached is in `recall`.

    Attributes:
        relations: R `Relation`s. metric: the comparator's name.
        recall: type -> the recall reached, of the approximate indices that were needed so far.
    """

    def __init__(self, embedding: GraphEmbedding, *, factory: str = "Flat", recall: float = 0.95):
        graph = embedding.graph
        self.embedding, self.metric = embedding, str(embedding.config.comparator)
        self._candidates = Candidates(embedding, factory, recall)
        self._lookups: dict[str, NameLookup] = {}
        self._relations = RelationNames(graph.relations)
        self._relation_lookup = NameLookup(graph.relations)
        told = {(True, True): "both", (True, False): "tails", (False, True): "heads"}
        sides = [told[embedding.asks(r, TAILS), embedding.asks(r, HEADS)] for r in range(len(graph.relations))]
        self.relations = [Relation(n, *pair, s) for n, pair, s in zip(graph.relations, graph.sides, sides)]

    @property
    def recall(self) -> dict[str, float]:
        return self._candidates.recall

    def __contains__(self, name: str) -> bool:
        """Whether an entity is called exactly so, in whatever type."""
        return name in self._lookup(ALL)

    def search(
        self,
        head: str | None = None,
        relation: str | None = None,
        tail: str | None = None,
        k: int = 10,
        *,
        new_only: bool = False,
        fuzzy: bool = False,
    ) -> RelationMatches:
        """The k best answers to the part that is not given; see `ask`."""
        return self.ask([Ask(head, relation, tail)], k, new_only=new_only, fuzzy=fuzzy)[0]

    def ask(
        self, asks: Sequence[Ask | str], k: int = 10, *, new_only: bool = False, fuzzy: bool = False
    ) -> list[RelationMatches]:
        """The k best answers to each of M asks, ties by number.

        Entities are named as in `SearchIndex.search`, among those of the type that the relation has on that side;
        relations likewise, and by the end or a part of one only. Which relations fit two entities is ranked among
        those of their types by the mean score of both sides, as `GraphEmbedding.score_edges` gives it.

        Args:
            asks: `Ask`s, or texts, "berlin, capital of, ?", "?, capital of, germany" or "berlin, ?, germany".
            k: at least 1; all candidates where there are fewer.
            new_only: leave out what completes it to an edge of the graph.
            fuzzy: take the names that are spelt most alike where none is meant.

        Raises:
            UserError: a name or a text is not understood or ambiguous, or a relation was not trained for that side.
        """
        k = checked_k(k)
        understood = [
            self._read(one, fuzzy) if isinstance(one, str) else self._understood(one, fuzzy) for one in asks
        ]
        found: list[RelationMatches | None] = [None] * len(understood)
        groups: dict[tuple[str, int], list[int]] = {}
        for place, mine in enumerate(understood):
            if mine.relation < 0:
                found[place] = self._between(mine, k, new_only)
            else:
                side = TAILS if mine.ask.asked == "tail" else HEADS
                pair = self.embedding.graph.sides[mine.relation]
                groups.setdefault((pair[1 if side == TAILS else 0], side), []).append(place)
        for (kind, side), places in groups.items():
            answers = self._entities(kind, side, [understood[place] for place in places], k, new_only)
            for place, answer in zip(places, answers):
                found[place] = answer
        return [one for one in found if one is not None]

    # -- understanding ----------------------------------------------------------------------------------------------

    def _lookup(self, kind: str) -> NameLookup:
        """The names of a type's entities, or of all; one that is there in several types is written type/name."""
        if kind not in self._lookups:
            entities = self.embedding.entities
            names, titles = entities.names, entities.titles if self.embedding.graph.titles else None
            types = self.embedding.graph.types
            if len(types) == 1:
                self._lookups = dict.fromkeys((ALL, *types), NameLookup(names, titles))
                return self._lookups[kind]
            names, titles = told_apart(names, titles, entities.attributes["type"].tolist())
            found = {ALL: NameLookup(names, titles)}
            for each in types:
                rows = self.embedding.graph.rows_of(each)
                mine = slice(rows.start, rows.stop)
                found[each] = NameLookup(names[mine], None if titles is None else titles[mine])
            self._lookups = found
        return self._lookups[kind]

    def _understood(self, ask: Ask, fuzzy: bool) -> _Understood:
        asked, graph = ask.asked, self.embedding.graph
        modes: dict[Part, Mode] = {}
        if asked == "relation":
            lookup = self._lookup(ALL)
            head, modes["head"] = lookup.understand(ask.head or "", fuzzy)
            tail, modes["tail"] = lookup.understand(ask.tail or "", fuzzy)
            return _Understood(Ask(lookup.name(head), None, lookup.name(tail)), modes, (head, tail), -1)
        relation, modes["relation"] = self._relations.understand(ask.relation or "", fuzzy)
        name, side = graph.relations[relation], TAILS if asked == "tail" else HEADS
        if not self.embedding.asks(relation, side):
            other: Part = "head" if asked == "tail" else "tail"
            raise UserError(
                f"{name!r} was trained to tell its {other}s alone, not its {asked}s: give a {asked}, and ask for the "
                f"{other}"
            )
        given: Part = "head" if asked == "tail" else "tail"
        kind = graph.sides[relation][0 if given == "head" else 1]
        text, lookup = (ask.head if given == "head" else ask.tail) or "", self._lookup(kind)
        apart = lookup.row_of(f"{kind}/{text}")  # a name of several types needs no type here
        try:
            row, modes[given] = lookup.understand(text, fuzzy) if apart is None else (apart, "exact")
        except UserError as error:
            elsewhere = [each for each in graph.types if each != kind and text in self._lookup(each)]
            there = f"; {text!r} is of type {' and '.join(elsewhere)}" if elsewhere else ""
            among = f"{given}s of {name!r}{f' are of type {kind}' if len(graph.types) > 1 else ''}"
            raise UserError(f"{error} ({among}{there})") from None
        meant = Ask(lookup.name(row), name, None) if given == "head" else Ask(None, name, lookup.name(row))
        return _Understood(meant, dict(reversed(modes.items())), (graph.rows_of(kind).start + row,), relation)

    def _read(self, text: str, fuzzy: bool) -> _Understood:
        """The one thing that a typed ask can mean; of several the one whose names are written out."""
        tried, errors = readings(text), []
        found: list[_Understood] = []
        for spelling in (False, True) if fuzzy else (False,):
            for ask in tried:
                try:
                    found.append(self._understood(ask, spelling))
                except UserError as error:
                    errors.append(error)
            if found:
                break
        if not found:
            if len(tried) == 1:
                raise errors[-1]
            raise UserError(f"{text!r} is not understood, wherever its commas part it: {errors[0]}")
        least = min(one.unsure for one in found)
        best = [one for one in found if one.unsure == least]
        if len(best) > 1:
            ways = " or ".join(f"[{one.ask.head or one.ask.tail}] with [{one.ask.relation}]" for one in best)
            raise UserError(f"{text!r} can be read in {len(best)} ways, {ways}: give the parts one by one")
        return best[0]

    # -- answering --------------------------------------------------------------------------------------------------

    @cached_property
    def _known(self) -> KnownAnswers:
        graph = self.embedding.graph
        return KnownAnswers(graph.all_edges(), len(graph.relations), len(graph.entities))

    def _between(self, mine: _Understood, k: int, new_only: bool) -> RelationMatches:
        """The relations between two entities."""
        graph, (head, tail) = self.embedding.graph, mine.given
        pair = tuple(next(kind for kind in graph.types if row in graph.rows_of(kind)) for row in mine.given)
        rows = np.array([r for r, sides in enumerate(graph.sides) if tuple(sides) == pair], np.int64)
        if not len(rows):
            raise UserError(f"{mine.ask}: no relation goes from {pair[0]} to {pair[1]}")
        if new_only:
            which, answers = self._known.of(np.full(len(rows), head), rows)
            rows = np.delete(rows, which[answers == tail])
        edges = np.stack([np.full(len(rows), head), rows, np.full(len(rows), tail)], axis=1)
        scores = self.embedding.score_edges(edges)
        order = np.argsort(-scores, kind="stable")[:k]
        found = FoundRows(self._relation_lookup, scores[order], rows[order])
        return RelationMatches(found, mine.ask, mine.modes, self.metric, rows[order])

    def _entities(
        self, kind: str, side: int, asks: Sequence[_Understood], k: int, new_only: bool
    ) -> list[RelationMatches]:
        """The answers to questions that ask for one side, and for entities of one type."""
        could, lookup = self.embedding.graph.rows_of(kind), self._lookup(kind)
        given = np.array([mine.given[0] for mine in asks])
        relation = np.array([mine.relation for mine in asks])
        left_out: list[np.ndarray] = [np.zeros(0, np.int64)] * len(asks)
        if new_only:
            which, rows = self._known.of(given, relation + side * len(self.relations))
            left_out = np.split(rows - could.start, np.searchsorted(which, np.arange(1, len(asks))))
        # Questions that leave out about as many are asked together: each needs so many candidates more.
        wanted = np.array([k + (1 << len(rows).bit_length() if len(rows) else 0) for rows in left_out])
        out: list[RelationMatches | None] = [None] * len(asks)
        for count in np.unique(wanted).tolist():
            places = np.flatnonzero(wanted == count)
            found = self._candidates.nearest(kind, side, given[places], relation[places], count)
            for place, scores, rows in zip(places.tolist(), *found):
                kept = (rows >= 0) & ~np.isin(rows, left_out[place])
                scores, rows = scores[kept][:k], rows[kept][:k]
                mine = asks[place]
                answers = FoundRows(lookup, scores, rows)
                out[place] = RelationMatches(answers, mine.ask, mine.modes, self.metric, rows + could.start)
        return [one for one in out if one is not None]
