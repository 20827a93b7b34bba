"""Nearest neighbours by name: a FAISS index that knows what its rows are called, and is whole or refused.

FAISS (Johnson, Douze, Jégou 2017, https://arxiv.org/abs/1702.08734) finds rows by number and trusts what it is
given. Around it this file adds names, tells how a query was understood, refuses rows that cannot be compared (NaN,
or zero under the cosine), lets rows come and go, and checks every byte on disk before FAISS reads one: FAISS loads
many damaged files without a word and answers from them.

Axes: N rows, D dimension, M queries, k matches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from graphkit.search import changes, kinds
from graphkit.search.filters import Where, passing
from graphkit.search.folder import Stored, read_folder, write_folder
from graphkit.search.foreign import read_bare_file
from graphkit.search.matches import Match, Matches
from graphkit.search.nearest_rows import nearest_rows
from graphkit.search.queries import VECTOR, analogy, answered, understood
from graphkit.search.rows import (
    Metric,
    checked_blocks,
    checked_k,
    checked_metric,
    checked_queries,
    read_source,
    real_array,
)
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

__all__ = ["Match", "Matches", "Metric", "SearchIndex"]

Device = Literal["cpu", "cuda"]
RECALL = 0.95  # of the 10 nearest, that an approximate index is made to find


class SearchIndex:
    """N named rows to search among; made by `SearchIndex.build`, `load` or `read_foreign`.

    Searching from several threads is safe, changing while another thread searches is not.

    Attributes:
        metric: "cosine", "dot" or "l2".
        factory: the FAISS factory string it was built with; "Flat" is exact.
        reason: why this kind of index.
        recall: the share of the 10 nearest rows it found when it was built, measured against exact search; None where
            nothing was measured. What is added or removed since is not in it.
        faiss: the FAISS index itself, for what FAISS lets one tune after building (`index.faiss.nprobe = 16`).
        attributes: name -> `Column`, what `where` asks for.
        mapped: whether it lies in its file, and so cannot be changed.
    """

    def __init__(self, stored: Stored, device: Device = "cpu"):
        self.faiss, self._lookup = stored.index, stored.lookup
        self.attributes, self.mapped = stored.attributes, stored.mapped
        self.metric: Metric = stored.details["metric"]
        self.factory: str = stored.details["factory"]
        self.reason: str = stored.details.get("reason", "")
        self.recall: float | None = stored.details.get("recall")
        if device not in ("cpu", "cuda"):
            raise UserError(f"unknown device {device!r}: 'cpu' or 'cuda'")
        self._gpu = kinds.on_gpu(self.faiss) if device == "cuda" else None

    @classmethod
    def build(
        cls,
        source: Any,
        names: Sequence[str] | None = None,
        *,
        titles: Sequence[str] | None = None,
        attributes: Mapping[str, Sequence[Any]] | None = None,
        metric: Metric = "cosine",
        factory: str = "auto",
        recall: float | None = RECALL,
        device: Device = "cpu",
    ) -> SearchIndex:
        """An index over the rows of a matrix.

        Args:
            source: an array (N, D) of real numbers, or anything with `.matrix` (N, D) and `.names` or `.words`,
                perhaps `.titles` and `.attributes`: `WordVectors`, `GraphEmbedding.entities`.
            names: N unique strings; for an array only.
            titles: N readable strings that may be searched for as well, "" for none; for an array only.
            attributes: name -> N strings or N numbers, for `where` in `search`.
            metric: what is near. The cosine keeps its rows at length one.
            factory: "auto" compares with every row as long as that takes about a millisecond, and else looks at some;
                `reason` tells. "Flat" always compares with every row; any other FAISS factory string ("HNSW32",
                "IVF256,Flat") trades exactness for speed.
            recall: the share of the true 10 nearest that is to be found; approximate indices look as hard as that
                needs on a sample of rows. What was reached is in `.recall`. None leaves FAISS's own setting.
            device: "cuda" searches on the first GPU (Flat and IVF; searches with `where`, and after removals, on the
                CPU).

        Raises:
            UserError: a row is NaN, infinite or, under the cosine, zero; a name is there twice; the sizes do not
                agree; the metric or the factory is unknown. Rows are told by number and name.
        """
        metric = checked_metric(metric)
        if recall is not None and not 0 < recall <= 1:
            raise UserError(f"recall = {recall}: a share, above 0 and up to 1, or None")
        matrix, lookup, columns = read_source(source, names, titles, attributes)
        chosen, reason = factory, f"{factory} was asked for"
        if factory == "auto":
            chosen, reason = kinds.choose(len(matrix), matrix.shape[1])

        def blocks(rows: np.ndarray | None) -> Any:
            return checked_blocks(matrix, lookup.names, metric, rows)

        try:
            kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
            index = kinds.make(chosen, len(matrix), matrix.shape[1], kind, blocks)
        except RuntimeError as error:  # FAISS's C++ exceptions, after the place in its source
            trouble = str(error).rsplit(": ", 1)[-1]
            raise UserError(
                f"FAISS refuses factory {factory!r} for {len(lookup):,} rows of dimension {matrix.shape[1]} under "
                f"{metric}: {trouble}; try 'auto', 'Flat', 'HNSW32' or 'IVF64,Flat'"
            ) from None
        reached = 1.0
        if not isinstance(index, faiss.IndexFlat):
            reached = kinds.tune(index, recall, kinds.judge(index, len(matrix), blocks, metric == "l2"))
        if factory == "auto":
            reason += kinds.remark(index)
        details = {"metric": metric, "factory": chosen, "reason": reason, "recall": reached}
        return cls(Stored(index, lookup, columns, details), device)

    def __len__(self) -> int:
        return len(self._lookup)

    def __contains__(self, name: str) -> bool:
        return name in self._lookup

    @property
    def names(self) -> Sequence[str]:
        """What the N rows are called, in their order."""
        return self._lookup.names

    @property
    def titles(self) -> Sequence[str] | None:
        """The N readable names, "" where a row has none; None where no row has one."""
        return self._lookup.titles

    @property
    def dimension(self) -> int:
        """D."""
        return self.faiss.d

    @property
    def effort(self) -> dict[str, int]:
        """How hard it looks: {"nprobe": lists}, {"efSearch": candidates}, or {} where it compares all rows."""
        return kinds.effort(self.faiss)

    def vector(self, name: str) -> np.ndarray:
        """(D,) float32: the row of exactly this name, of length one under the cosine.

        Raises:
            UserError: there is none.
        """
        return self.faiss.reconstruct(int(changes.rows_of(self._lookup, [name])[0]))

    @overload
    def search(self, query: str, k: int = 10, *, where: Where | None = None, fuzzy: bool = False) -> Matches: ...
    @overload
    def search(self, query: Any, k: int = 10, *, where: Where | None = None, fuzzy: bool = False) -> Any: ...
    def search(self, query: Any, k: int = 10, *, where: Where | None = None, fuzzy: bool = False) -> Any:
        """The k nearest rows, ties by row number.

        Args:
            query: a name or title (exact, else whatever the case, else the beginning of one only), whose own row
                is left out of the answer; "a - b + c" of three names, which are left out; a vector (D,); or a batch:
                a list of M strings, or vectors (M, D).
            k: how many, at least 1; all rows where there are fewer.
            where: conditions on attributes that all have to hold, {"type": "film", "year": (">=", 1990)} or
                ["type=film", "year>=1990"]; a list of values, {"type": ["film", "book"]}, is any of them.
            fuzzy: take the name that is spelt most alike where none is meant; its mode is "fuzzy".

        Returns:
            `Matches`, a sequence of `Match` that also tells how the query was understood; for a batch a list of M.

        Raises:
            UserError: no row or several are meant, the vector's shape or values cannot be compared, an attribute is
                unknown, or k < 1.
        """
        k = checked_k(k)
        among = self._passing(where)
        if isinstance(query, str):
            return self._by_names([query], k, among, fuzzy)[0]
        if isinstance(query, list | tuple) and query and all(isinstance(each, str) for each in query):
            return self._by_names(query, k, among, fuzzy)
        vectors = real_array(query, "the query")
        if vectors.ndim not in (1, 2) or vectors.shape[-1] != self.dimension:
            raise UserError(
                f"the query has shape {vectors.shape}; this index takes a name, ({self.dimension},) or "
                f"(M, {self.dimension})"
            )
        many = vectors[None] if vectors.ndim == 1 else vectors
        scores, rows = self._nearest(checked_queries(many, self.metric), k, among)
        found = answered(self._lookup, scores, rows, k, [VECTOR] * len(rows))
        return found[0] if vectors.ndim == 1 else found

    def analogy(self, a: str, b: str, c: str, k: int = 10, *, where: Where | None = None) -> Matches:
        """The rows nearest to a - b + c, without these three: king - man + woman.

        Under the cosine the three are of length one (3CosAdd, Levy & Goldberg 2014).

        Raises:
            UserError: a name is not understood, or the sum is zero and has no direction.
        """
        k = checked_k(k)
        vector, asked = analogy(self.faiss, self._lookup, (a, b, c), False)
        found = self._nearest(checked_queries(vector[None], self.metric), k + 3, self._passing(where))
        return answered(self._lookup, *found, k, [asked])[0]

    def check_where(self, where: Where) -> None:
        """Refuse conditions that `search` would refuse.

        Raises:
            UserError: an attribute or a value is unknown, or a comparison makes no sense.
        """
        passing(self.attributes, where, self._lookup.rows)

    def suggest(self, beginning: str, count: int = 10) -> list[str]:
        """Up to `count` names to go on from what has been typed: those that begin so, else those spelt alike."""
        return self._lookup.suggest(beginning, count)

    def _by_names(self, queries: Sequence[str], k: int, among: np.ndarray | None, fuzzy: bool) -> list[Matches]:
        vectors, asked = understood(self.faiss, self._lookup, queries, fuzzy)
        most = max([len(each.rows) for each in asked])
        if most > 1 and (sums := [place for place, each in enumerate(asked) if each.mode == "analogy"]):
            vectors[sums] = checked_queries(vectors[sums], self.metric)  # rows are as they have to be already
        return answered(self._lookup, *self._nearest(vectors, k + most, among), k, asked)

    def _passing(self, where: Where | None) -> np.ndarray | None:
        """(rows,) bool: those that may be found; None for all."""
        removed = self._lookup.removed
        live = ~removed if self._lookup.gaps else None
        if not where:
            return live
        mask = passing(self.attributes, where, len(removed))
        return mask if live is None else mask & live

    def _nearest(self, queries: np.ndarray, k: int, among: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return nearest_rows(self.faiss, queries, k, self.metric, among, self._gpu)

    def add(
        self,
        names: Sequence[str],
        vectors: Any,
        *,
        titles: Sequence[str] | None = None,
        attributes: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """Put B rows behind the others; all of them or, where one is refused, none.

        An index that was trained (IVF, PQ) keeps its lists and codes: where most rows are new, build it anew.

        Args:
            names: B strings that are not in the index. vectors: (B, D). titles: B strings, "" for none.
            attributes: B values of each attribute that the index has.

        Raises:
            UserError: a name is there already or twice, a row cannot be compared, an attribute is missing, or the
                index is mapped.
        """
        changes.add(self, names, vectors, titles, attributes)

    def remove(self, names: Sequence[str]) -> None:
        """Take B rows out, all or none. Until `compact` they are gaps in the FAISS index, which searches step over.

        Raises:
            UserError: a name is not in the index, or is there twice, or all rows would go; or the index is mapped.
        """
        changes.remove(self, names)

    def update(self, names: Sequence[str], vectors: Any) -> None:
        """Give B rows other vectors, all or none; titles and attributes stay. The rows move to the end.

        Raises:
            UserError: as `remove` and `add`.
        """
        changes.update(self, names, vectors)

    @property
    def compaction_wanted(self) -> bool:
        """Whether gaps are over a quarter of the rows: searches spend that much on them."""
        return changes.wanted(self._lookup)

    def compact(self) -> None:
        """Make the FAISS index anew without the gaps; takes as long as adding all rows to it, and twice its memory.

        Rows are numbered anew, in their order. What was trained stays as it was.

        Raises:
            UserError: the index is mapped.
        """
        changes.compact(self)

    def save(self, folder: str | Path) -> Path:
        """Write the index folder: FAISS's file, the names, and a manifest of their hashes, which comes last.

        Raises:
            UserError: it cannot be written, or the folder holds something else; an index that was there is intact.
        """
        details = {"metric": self.metric, "factory": self.factory, "reason": self.reason, "recall": self.recall}
        return write_folder(Path(folder), Stored(self.faiss, self._lookup, self.attributes, details))

    @classmethod
    def load(cls, folder: str | Path, *, mapped: bool = False, device: Device = "cpu") -> SearchIndex:
        """The index that `save` wrote.

        Args:
            mapped: leave vectors and names in their files, from which the system reads what is looked at; several
                processes then share one copy. The hashes are checked all the same. Such an index cannot be changed.

        Raises:
            UserError: there is none, or a byte of it has changed; said before FAISS reads any.
        """
        return cls(read_folder(Path(folder), mapped), device)

    @classmethod
    def read_foreign(
        cls,
        path: str | Path,
        names: Sequence[str],
        *,
        titles: Sequence[str] | None = None,
        attributes: Mapping[str, Sequence[Any]] | None = None,
        metric: Metric | None = None,
        device: Device = "cpu",
    ) -> SearchIndex:
        """The index in a file that FAISS wrote, without hashes: for files whose maker you trust.

        FAISS reads many damaged files without a word, and a crafted one may crash it. What can be checked is: that
        each row can be given back and compared, and that there are as many as names. Its recall is not known.

        Args:
            names: what its rows are called, in order.
            metric: None is FAISS's own, "dot" or "l2"; "cosine" for rows of length one.

        Raises:
            UserError: the file is none of FAISS, its rows are not as said, or it cannot give rows back.
        """
        return cls(read_bare_file(Path(path), names, titles, attributes, metric), device)
