"""What is served at one moment: an index, and the model that texts and relations are asked of; all of one version.

Nothing in a `Served` changes, and every answer is made of one of them, so an answer is wholly of the old index or
wholly of the new one. Answers are plain dictionaries: HTTP begins in `graphkit.serve.service`.

Axes: N rows, D dimension, M queries, k matches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.search.index import SearchIndex
from graphkit.search.relation_names import Ask, is_typed_ask
from graphkit.serve.wire import Refused, plain
from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from graphkit.search.matches import Matches, RelationMatches
    from graphkit.search.plane import Plane
    from graphkit.search.relations import RelationIndex
    from graphkit.search.text_encoder import SIFEncoder

TOGETHER = 16  # queries between two looks at the clock


@dataclass(frozen=True)
class Served:
    """One index and its model.

    Attributes:
        version: 16 hex digits of the hash of their manifests.
        words: encodes texts; None where the model has no words. related: answers relations; None where no graph is
            there. plane: where rows lie in the plane; None where no map was made beforehand.
    """

    index: SearchIndex
    version: str
    words: SIFEncoder | None = None
    related: RelationIndex | None = None
    plane: Plane | None = None

    @property
    def encodes(self) -> bool:
        """Whether texts can be made vectors."""
        return self.words is not None or bool(self._bags)

    @property
    def _bags(self) -> list[str]:
        """The types of entities that have bags of tags for features."""
        from graphkit.graphs.features import Bags

        parts = [] if self.related is None else self.related.embedding.encoded
        return [part.kind for part in parts if isinstance(part.source, Bags)]

    def health(self) -> dict[str, Any]:
        """What is served, in numbers."""
        index = self.index
        relations = 0 if self.related is None else len(self.related.relations)
        return {
            "status": "ok",
            "index": self.version,
            "rows": len(index),
            "dimension": index.dimension,
            "metric": index.metric,
            "factory": index.factory,
            "recall": index.recall,
            "relations": relations,
            "text": self.encodes,
        }

    def search(
        self, queries: Sequence[str], k: int, where: list[str], fuzzy: bool, until: float
    ) -> list[dict[str, Any]]:
        """Answers to M queries: names as `SearchIndex.search` understands them, else texts where these are encoded.

        Raises:
            Refused: a query means nothing here, or the time is over.
        """
        self._check_where(where)
        out: list[dict[str, Any]] = []
        for start in range(0, len(queries), TOGETHER):
            check_time(until)
            part = queries[start : start + TOGETHER]
            try:
                answers = self.index.search(list(part), k, where=where, fuzzy=fuzzy)
                out += [self._answer(query, matches) for query, matches in zip(part, answers)]
            except UserError:  # one of them is no name: one by one, to tell which, and whether it is a text
                for place, query in enumerate(part, start):
                    out.append(self._search_one(query, k, where, fuzzy, f"queries[{place}]: " * (len(queries) > 1)))
        return out

    def _search_one(self, query: str, k: int, where: list[str], fuzzy: bool, place: str) -> dict[str, Any]:
        try:
            return self._answer(query, self.index.search(query, k, where=where, fuzzy=fuzzy))
        except UserError as error:
            if self.related is not None and is_typed_ask(query):
                if where:
                    raise Refused(
                        400, f"{place}conditions do not restrict what completes an edge: leave where out"
                    ) from None
                return self._typed_ask(query, k, fuzzy, place)
            kinds: list[str | None] = [*self._bags] or [None] * self.encodes
            for kind in kinds:  # of several types, the first one that has such tags
                vector = self._encode([query], kind)[0]
                if vector.any():
                    return self._answer(query, self.index.search(vector, k, where=where), mode="text")
            raise Refused(404, f"{place}{error}") from None

    def _typed_ask(self, query: str, k: int, fuzzy: bool, place: str) -> dict[str, Any]:
        """The answer to an edge with a ? in it, "berlin, capital of, ?"."""
        assert self.related is not None
        try:
            (found,) = self.related.ask([query], k, fuzzy=fuzzy)
        except UserError as error:
            raise Refused(404, f"{place}{error}") from None
        told = self._related(found)
        return {
            "query": query,
            "understood": found.name,
            "mode": found.mode,
            "metric": found.metric,
            "matches": told["matches"],
        }

    def neighbors(self, names: Sequence[str], k: int, where: list[str], until: float) -> list[dict[str, Any]]:
        """The rows nearest to rows of exactly these names.

        Raises:
            Refused: there is no such row.
        """
        self._check_where(where)
        for name, row in zip(names, self._rows(names)):
            if row < 0:
                near = self.index.suggest(name, 3)
                raise Refused(
                    404, f"no row is called {name!r}" + (f": did you mean {' or '.join(near)}?" * bool(near))
                )
        out = []
        for start in range(0, len(names), TOGETHER):
            check_time(until)
            part = list(names[start : start + TOGETHER])
            out += [self._answer(name, m) for name, m in zip(part, self.index.search(part, k, where=where))]
        return out

    def near_vectors(self, vectors: np.ndarray, k: int, where: list[str], until: float) -> list[dict[str, Any]]:
        """The rows nearest to vectors (M, D)."""
        self._check_where(where)
        out = []
        for start in range(0, len(vectors), TOGETHER):
            check_time(until)
            found = self.index.search(vectors[start : start + TOGETHER], k, where=where)
            out += [self._answer(None, matches) for matches in found]
        return out

    def embed(self, texts: Sequence[str], kind: str | None) -> dict[str, Any]:
        """Vectors of texts; a text of which nothing is known is a vector of zeros."""
        if not self.encodes:
            raise Refused(404, f"no texts can be embedded: {self._no_text()}")
        vectors = self._encode(texts, kind)
        return {"dimension": vectors.shape[1], "vectors": vectors.tolist()}

    def relations(self) -> list[dict[str, Any]]:
        """The relations that can be asked, with the types on both sides and which sides they tell."""
        return [] if self.related is None else [each._asdict() for each in self.related.relations]

    def relation(self, asks: Sequence[Ask], k: int, new_only: bool, until: float) -> list[dict[str, Any]]:
        """What best completes each ask, as `RelationIndex.ask` understands it.

        Raises:
            Refused: this index has no relations, or an ask means nothing here, or the time is over.
        """
        if self.related is None:
            raise Refused(404, "there are no relations here: serve a run of graphkit embed, or name one by --model")
        out: list[dict[str, Any]] = []
        for start in range(0, len(asks), TOGETHER):
            check_time(until)
            part = list(asks[start : start + TOGETHER])
            try:
                found = self.related.ask(part, k, new_only=new_only)
            except UserError:
                for place, ask in enumerate(part, start):  # one by one, to tell which
                    try:
                        self.related.ask([ask], k, new_only=new_only)
                    except UserError as error:
                        raise Refused(404, f"asks[{place}]: " * (len(asks) > 1) + str(error)) from None
                raise
            out += [self._related(each) for each in found]
        return out

    def _related(self, found: RelationMatches) -> dict[str, Any]:
        names = [m.name for m in found]
        rows = found.rows if found.ask.asked == "relation" else self._rows(names)
        return {
            **found.ask._asdict(),
            "asked": found.ask.asked,
            "modes": found.modes,
            "metric": found.metric,
            "matches": self._matches(found, rows, found.ask.asked != "relation"),
        }

    def entities(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Rows with their names and titles.

        Raises:
            Refused: there is no such row, or it was removed.
        """
        lookup = self.index._lookup
        for row in rows:
            if not 0 <= row < lookup.rows or lookup.removed[row]:
                raise Refused(404, f"there is no row {row:,}: rows go from 0 to {lookup.rows - 1:,}")
        return [{"row": row, "name": lookup.name(row), "title": lookup.title(row)} for row in rows]

    def suggestions(self, beginning: str, count: int) -> list[dict[str, Any]]:
        """Entities to go on from what has been typed; the first ones where nothing has."""
        if not beginning:
            return self.listed(0, count)
        return self.entities(self._rows(self.index.suggest(beginning, count)).tolist())

    def listed(self, offset: int, count: int) -> list[dict[str, Any]]:
        """Entities in the order of their rows."""
        lookup = self.index._lookup
        if not lookup.gaps:
            return self.entities(range(min(offset, lookup.rows), min(offset + count, lookup.rows)))
        return self.entities(np.flatnonzero(~lookup.removed)[offset : offset + count].tolist())

    def _rows(self, names: Sequence[str]) -> np.ndarray:
        """(B,) rows of exactly these names, -1 for none."""
        return self.index._lookup.rows_of(names)

    def _check_where(self, where: list[str]) -> None:
        if where:
            self.index.check_where(where)

    def _answer(self, query: str | None, matches: Matches, mode: str = "") -> dict[str, Any]:
        return {
            "query": query,
            "understood": matches.name,
            "mode": mode or matches.mode,
            "metric": self.index.metric,
            "matches": self._matches(matches, self._rows([m.name for m in matches])),
        }

    def _matches(self, matches: Matches, rows: np.ndarray, entities: bool = True) -> list[dict[str, Any]]:
        """Matches with the numbers of their rows and their attributes; -1, of one that is not here, becomes null."""
        here = entities and bool((rows >= 0).all())
        columns = self.index.attributes if here else {}
        values = {name: [plain(value) for value in column.rows_at(rows)] for name, column in columns.items()}
        return [
            {
                "rank": match.rank,
                "row": row if row >= 0 else None,
                "name": match.name,
                "title": match.title,
                "score": match.score,
                "attributes": {name: column[place] for name, column in values.items()},
            }
            for place, (match, row) in enumerate(zip(matches, rows.tolist()))
        ]

    def _encode(self, texts: Sequence[str], kind: str | None) -> np.ndarray:
        """(B, D) vectors of texts: of their words, or of their tags."""
        if self.words is not None:
            if kind is not None:
                raise Refused(400, "these are texts of words, which have no kind: leave it out")
            return self.words.encode(texts)
        if kind is None and len(self._bags) > 1:
            raise Refused(400, f"several types have tags, say of which kind the texts are: {', '.join(self._bags)}")
        if kind is not None and kind not in self._bags:
            raise Refused(400, f"no type {kind!r} has tags: {nearest(kind, self._bags)}")
        assert self.related is not None
        return self.related.embedding.encode([text.split() for text in texts], kind or self._bags[0])

    def _no_text(self) -> str:
        if self.related is not None:
            return "the entities of this graph have no tags for features; train with some, or serve word vectors"
        return "a saved index has no words; name the run its vectors are of by --model"


def check_time(until: float) -> None:
    """Stop where the time is over.

    Raises:
        Refused: it is.
    """
    if time.monotonic() > until:
        raise Refused(503, "this took too long and was stopped: ask for less at once")
