"""What `graphkit search` is given, opened as far as a query needs it: a saved index, or the vectors of a run.

A query is a name or an analogy, which `SearchIndex` answers, or an edge with a ? in it ("berlin, capital of, ?"),
which `RelationIndex` does where a graph was trained. An entity that is called like such an edge is a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graphkit.search.filters import Where
from graphkit.search.matches import Matches
from graphkit.search.relation_names import Ask, is_typed_ask
from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding
    from graphkit.search.index import SearchIndex
    from graphkit.search.relations import RelationIndex
    from graphkit.words.vectors import WordVectors

RECALL = 0.95


class Opened:
    """A folder to search in.

    Args:
        folder: a run folder, its `vectors/`, or a folder written by `SearchIndex.save`.
        metric: None is a saved index's own, and the cosine for vectors.
        factory, recall: for vectors only; None is "auto" ("Flat" for edges) and 0.95.

    Raises:
        UserError: the folder holds none of these.
    """

    def __init__(
        self,
        folder: Path,
        metric: Literal["cosine", "dot", "l2"] | None = None,
        factory: str | None = None,
        recall: float | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
    ):
        from graphkit.search.folder import KIND
        from graphkit.vectors_folder import kind_of

        self.folder, self.metric, self.factory, self.recall, self.device = folder, metric, factory, recall, device
        if folder.is_file():
            raise UserError(
                f"{folder} is a file: name the folder of an index; if it is FAISS's own and you trust who made it, "
                "add --foreign NAMES.txt with the names of its rows"
            )
        self.place = folder if (folder / "manifest.json").is_file() else folder / "vectors"
        if not (self.place / "manifest.json").is_file():
            raise UserError(_nothing_in(folder))
        kind = kind_of(self.place)
        if kind is None:
            raise UserError(
                f"{self.place / 'manifest.json'} is damaged, it does not say what it holds: save the vectors again"
            )
        if kind not in (known := ["word_vectors", "graph_embedding", KIND]):
            raise UserError(f"{self.place / 'manifest.json'}: kind {kind!r}: {nearest(kind, known)}")
        self.kind = kind

    @classmethod
    def of(cls, index: SearchIndex, folder: Path) -> Opened:
        """An index that is loaded already, from that place."""
        self = cls.__new__(cls)
        self.folder, self.kind = folder, "search_index"
        self.__dict__["index"] = index
        return self

    @cached_property
    def index(self) -> SearchIndex:
        """Of the names: the one that was saved, mapped where this FAISS can, or one built from the vectors.

        Raises:
            UserError: it is damaged, or of another metric or kind than is asked for.
        """
        from graphkit.search.folder import KIND, can_map
        from graphkit.search.index import SearchIndex

        if self.kind == KIND:
            index = SearchIndex.load(self.place, mapped=can_map(), device=self.device)
            if self.metric not in (None, index.metric):
                raise UserError(
                    f"{self.place} is an index by {index.metric}, not {self.metric}: search the run with --metric "
                    f"{self.metric}"
                )
            if self.factory not in (None, index.factory) or self.recall is not None:
                raise UserError(f"{self.place} is built as {index.factory}: give --factory and --recall with the run")
            return index
        return SearchIndex.build(
            self.words if self.kind == "word_vectors" else self.embedding.entities,
            metric=self.metric or "cosine",
            factory=self.factory or "auto",
            recall=self.recall or RECALL,
            device=self.device,
        )

    @cached_property
    def words(self) -> WordVectors:
        """The word vectors of a folder that holds some.

        Raises:
            UserError: they are damaged.
        """
        from graphkit.words.vectors import WordVectors

        return WordVectors.load(self.place)

    @cached_property
    def embedding(self) -> GraphEmbedding:
        """The trained graph.

        Raises:
            UserError: the folder holds none, or it is damaged.
        """
        from graphkit.embedding.embedding import GraphEmbedding

        if self.kind != "graph_embedding":
            raise UserError(self._no_graph())
        return GraphEmbedding.load(self.place)

    @cached_property
    def relations(self) -> RelationIndex:
        """Of the edges.

        Raises:
            UserError: as `embedding`.
        """
        from graphkit.search.relations import RelationIndex

        return RelationIndex(self.embedding, factory=self.factory or "Flat", recall=self.recall or RECALL)

    def is_edge(self, query: str | Ask) -> bool:
        """Whether a query is for the relations: an edge with a ? in it, and nobody's name."""
        if isinstance(query, Ask):
            return True
        return is_typed_ask(query) and query not in (self.relations if self.kind == "graph_embedding" else self.index)

    def answers(
        self,
        queries: Sequence[str | Ask],
        k: int,
        *,
        where: Where | None = None,
        fuzzy: bool = False,
        new_only: bool = False,
    ) -> list[Matches]:
        """What is nearest to each of M queries, or completes it; those of a kind are searched for at once.

        Args:
            where: see `SearchIndex.search`. new_only: see `RelationIndex.ask`; of names it changes nothing.

        Raises:
            UserError: a query is not understood, or conditions are asked of an edge.
        """
        found: list[Matches | None] = [None] * len(queries)
        edges = [place for place, query in enumerate(queries) if self.is_edge(query)]
        if edges:
            query = str(queries[edges[0]])
            if self.kind != "graph_embedding":
                raise UserError(f"{query!r} asks for an edge: {self._no_graph()}")
            if where:
                raise UserError(f"{query!r} asks for an edge, whose answers no conditions restrict: leave them out")
            asked = self.relations.ask([queries[place] for place in edges], k, new_only=new_only, fuzzy=fuzzy)
            for place, one in zip(edges, asked):
                found[place] = one
        others = [(place, query) for place, query in enumerate(queries) if isinstance(query, str)]
        others = [(place, query) for place, query in others if found[place] is None]
        if others:
            near = self.index.search([query for _, query in others], k, where=where, fuzzy=fuzzy)
            for (place, _), mine in zip(others, near):
                found[place] = mine
        return [one for one in found if one is not None]

    def _no_graph(self) -> str:
        what = "word vectors" if self.kind == "word_vectors" else "an index"
        return f"{self.folder} holds {what} and no trained graph: name a run folder of graphkit embed"


def _nothing_in(folder: Path) -> str:
    """Why there is nothing to search in a folder, and what to name instead."""
    if not folder.exists():
        siblings = [p.name for p in folder.absolute().parent.glob("*/")]
        return f"there is no folder {folder}" + (f": {nearest(folder.name, siblings)}" if siblings else "")
    if (folder / "checkpoints").is_dir():
        return (
            f"{folder} has no vectors yet, its run has not finished: start it again with the command it was made by"
        )
    return f"{folder} holds no vectors: name a run folder, its vectors/, or a folder written by --save-index"
