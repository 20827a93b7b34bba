"""What is served at one moment: an index, and the model that texts and relations are asked of; all of one version.

Nothing in a `Served` changes, and every answer is made of one of them, so an answer is wholly of the old index or
wholly of the new one. Answers are plain dictionaries: HTTP begins in `graphkit.search.service`.

Axes: N rows, D dimension, M queries, k matches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.search.index import SearchIndex
from graphkit.search.wire import Refused, plain
from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding
    from graphkit.search.matches import Matches
    from graphkit.search.text_encoder import SIFEncoder

TOGETHER = 16  # queries between two looks at the clock
COMPARED = 100  # names of which a model's vectors have to be the index's
ALIKE = 0.999  # cosine of two vectors that are the same but for rounding


@dataclass(frozen=True)
class Served:
    """One index and its model.

    Attributes:
        version: 16 hex digits of the hash of their manifests.
        words: encodes texts; None where the model has no words. graph: answers relations; None where there is none.
    """

    index: SearchIndex
    version: str
    words: SIFEncoder | None = None
    graph: GraphEmbedding | None = None
    kept: dict[str, Any] = field(default_factory=dict)  # what is computed of it once, such as the map
    lock: threading.Lock = field(default_factory=threading.Lock)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made by the first who asks; others wait for that."""
        with self.lock:
            if name not in self.kept:
                self.kept[name] = make()
            return self.kept[name]

    @property
    def encodes(self) -> bool:
        """Whether texts can be made vectors."""
        return self.words is not None or bool(self._bags)

    @property
    def _bags(self) -> list[str]:
        """The types of entities that have bags of tags for features."""
        from graphkit.graphs.features import Bags

        return [] if self.graph is None else [e.kind for e in self.graph.encoded if isinstance(e.source, Bags)]

    def health(self) -> dict[str, Any]:
        """What is served, in numbers."""
        index = self.index
        relations = 0 if self.graph is None else len(self.graph.graph.relations)
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
            if self.encodes and query.strip():
                vector = self._encode([query], None)[0]
                if vector.any():
                    return self._answer(query, self.index.search(vector, k, where=where), mode="text")
            raise Refused(404, f"{place}{error}") from None

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
        return {"dimension": vectors.shape[1], "vectors": [[float(x) for x in row] for row in vectors.tolist()]}

    def relations(self) -> list[dict[str, Any]]:
        """The relations that can be asked, with the types on both sides and which sides they tell."""
        if self.graph is None:
            return []
        out = []
        for number, (name, (head, tail)) in enumerate(zip(self.graph.graph.relations, self.graph.graph.sides)):
            told = [side for side, which in (("tails", 0), ("heads", 1)) if self.graph.asks(number, which)]
            out.append({"name": name, "head": head, "tail": tail, "sides": told[0] if len(told) == 1 else "both"})
        return out

    def relation(
        self, asks: Sequence[tuple[str | None, str, str | None]], k: int, until: float
    ) -> list[dict[str, Any]]:
        """The entities that best complete each (head, relation, None) or (None, relation, tail).

        Raises:
            Refused: this index has no relations, or one of the names is not here, or the time is over.
        """
        if self.graph is None:
            raise Refused(404, "there are no relations here: serve a run of graphkit embed, or name one by --model")
        from graphkit.search.relation_answers import best

        out = []
        for place, (head, relation, tail) in enumerate(asks):
            check_time(until)
            try:
                asked = best(self.graph, head, relation, tail, k)
            except UserError as error:
                raise Refused(404, f"asks[{place}]: " * (len(asks) > 1) + str(error)) from None
            names, rows = self._entities
            found = rows[asked.entities]
            matches = self._matches(
                [names[i] for i in asked.entities[found >= 0]], found[found >= 0], asked.scores[found >= 0]
            )
            sides = {"head": head, "tail": tail}
            sides["head" if tail is None else "tail"] = names[asked.given]
            side, metric = "tail" if tail is None else "head", self.graph.config.comparator
            out.append({**sides, "relation": relation, "asked": side, "metric": metric, "matches": matches})
        return out

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
        """Entities to go on from what has been typed."""
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
        names, scores = [m.name for m in matches], [m.score for m in matches]
        return {
            "query": query,
            "understood": matches.name,
            "mode": mode or matches.mode,
            "metric": self.index.metric,
            "matches": self._matches(names, self._rows(names), scores),
        }

    def _matches(self, names: Sequence[str], rows: np.ndarray, scores: Any) -> list[dict[str, Any]]:
        lookup, found = self.index._lookup, []
        columns = {name: column.rows_at(rows) for name, column in self.index.attributes.items()}
        for place, (name, row, score) in enumerate(zip(names, rows.tolist(), scores)):
            attributes = {key: plain(values[place]) for key, values in columns.items()}
            found.append(
                {
                    "rank": place + 1,
                    "row": row,
                    "name": name,
                    "title": lookup.title(row),
                    "score": float(score),
                    "attributes": attributes,
                }
            )
        return found

    def _encode(self, texts: Sequence[str], kind: str | None) -> np.ndarray:
        """(B, D) vectors of texts: of their words, or of their tags."""
        if self.words is not None:
            if kind is not None:
                raise Refused(400, "these are texts of words, which have no kind: leave it out")
            return self.words.encode(texts)
        if kind is None and len(self._bags) > 1:
            kind = self._bags[0]
        if kind is not None and kind not in self._bags:
            raise Refused(400, f"no type {kind!r} has tags: {nearest(kind, self._bags)}")
        assert self.graph is not None
        return self.graph.encode([text.split() for text in texts], kind or self._bags[0])

    def _no_text(self) -> str:
        if self.graph is not None:
            return "the entities of this graph have no tags for features; train with some, or serve word vectors"
        return "a saved index has no words; name the run its vectors are of by --model"

    @property
    def _entities(self) -> tuple[Sequence[str], np.ndarray]:
        """The graph's entities: their names in the index, and their rows (N,), -1 for one that is not there."""
        return self.once("entities", self._placed)

    def _placed(self) -> tuple[Sequence[str], np.ndarray]:
        from graphkit.search.rows import _told_apart

        assert self.graph is not None
        entities = self.graph.entities
        names: Sequence[str] = entities.names
        if "type" in entities.attributes:
            names, _ = _told_apart(names, entities.titles, list(entities.attributes["type"]))
        return names, self._rows(list(names))


def check_time(until: float) -> None:
    """Stop where the time is over.

    Raises:
        Refused: it is.
    """
    if time.monotonic() > until:
        raise Refused(503, "this took too long and was stopped: ask for less at once")
