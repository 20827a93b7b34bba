"""Nearest neighbours by name: a FAISS index that knows what its rows are called, and is whole or refused.

FAISS (Johnson, Douze, Jégou 2017, https://arxiv.org/abs/1702.08734) finds rows by number and trusts what it is
given. Around it this file adds names, tells how a query was understood, refuses rows that cannot be compared (NaN,
or zero under the cosine), and checks every byte on disk before FAISS reads one: FAISS loads many damaged files
without a word and answers from them.

Axes: N rows, D dimension, M queries, k matches.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, overload

import numpy as np

from graphkit.search.folder import read_folder, write_folder
from graphkit.search.name_lookup import Mode, NameLookup
from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

Metric = Literal["cosine", "dot", "l2"]

BLOCK = 16_384  # rows checked and added at a time, so that a build holds the source, the index and little more
SPARE = 16  # candidates FAISS is asked for beyond k, among which ties are settled
LONGEST = 1e18  # squares of lengths stay well inside float32
ROUNDING = 1e-5  # what two float32 scores of equal vectors may differ by, relative to the product of the norms


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


class Matches(list[Match]):
    """The neighbours of one query, nearest first.

    Attributes:
        mode: how the query was understood: "exact", "title", "case-folded", "prefix" or "vector".
        name: the row it was understood as; None for a vector.
    """

    def __init__(self, matches: Sequence[Match], mode: Mode, name: str | None = None):
        super().__init__(matches)
        self.mode, self.name = mode, name


class SearchIndex:
    """N named rows to search among; made by `SearchIndex.build` or `SearchIndex.load`.

    Attributes:
        metric: "cosine", "dot" or "l2".
        factory: the FAISS factory string it was built with; "Flat" is exact.
        faiss: the FAISS index itself, for what FAISS lets one tune after building (`index.faiss.nprobe = 16`).
    """

    def __init__(self, index: Any, lookup: NameLookup, metric: Metric, factory: str):
        self.faiss, self._lookup, self.metric, self.factory = index, lookup, metric, factory

    @classmethod
    def build(
        cls,
        source: Any,
        names: Sequence[str] | None = None,
        *,
        titles: Sequence[str] | None = None,
        metric: Metric = "cosine",
        factory: str = "Flat",
    ) -> SearchIndex:
        """An index over the rows of a matrix.

        Args:
            source: an array (N, D) of real numbers, or anything with `.matrix` (N, D) and `.names` or `.words`,
                perhaps `.titles`: `WordVectors`, `GraphEmbedding.entities`.
            names: N unique strings; for an array only.
            titles: N readable strings that may be searched for as well, "" for none; for an array only.
            metric: what is near. The cosine keeps its rows at length one.
            factory: "Flat" compares with every row; any other FAISS factory string ("HNSW32", "IVF256,Flat")
                trades exactness for speed.

        Raises:
            UserError: a row is NaN, infinite or, under the cosine, zero; a name is there twice; the sizes do not
                agree; the metric or the factory is unknown. Rows are told by number and name.
        """
        if metric not in get_args(Metric):
            raise UserError(f"unknown metric {metric!r}: {nearest(str(metric), get_args(Metric))}")
        matrix, lookup = _read_source(source, names, titles)
        try:
            kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
            index = faiss.index_factory(matrix.shape[1], factory, kind)
            if not index.is_trained:
                index.train(np.concatenate(list(_checked_blocks(matrix, lookup.names, metric))))
            for block in _checked_blocks(matrix, lookup.names, metric):
                index.add(block)
            inverted = faiss.try_extract_index_ivf(index)
            if inverted is not None:
                inverted.make_direct_map()  # without it an inverted file cannot give a row back
            index.reconstruct(0)  # a query by name needs its row back: refused here rather than at the first one
        except RuntimeError as error:  # FAISS's C++ exceptions, after the place in its source
            reason = str(error).rsplit(": ", 1)[-1]
            raise UserError(
                f"FAISS refuses factory {factory!r} for {len(lookup):,} rows of dimension {matrix.shape[1]} under "
                f"{metric}: {reason}; try 'Flat', 'HNSW32' or 'IVF64,Flat'"
            ) from None
        return cls(index, lookup, metric, factory)

    def __len__(self) -> int:
        return len(self._lookup)

    @property
    def names(self) -> list[str]:
        """What the N rows are called, in their order."""
        return self._lookup.names

    @property
    def titles(self) -> list[str] | None:
        """The N readable names, "" where a row has none; None where no row has one."""
        return self._lookup.titles

    @property
    def dimension(self) -> int:
        """D."""
        return self.faiss.d

    @overload
    def search(self, query: str, k: int = 10) -> Matches: ...

    @overload
    def search(self, query: Any, k: int = 10) -> Any: ...

    def search(self, query: Any, k: int = 10) -> Any:
        """The k nearest rows, ties by row number.

        Args:
            query: a name or title (exact, else whatever the case, else the beginning of one only), whose own row
                is left out of the answer; or a vector (D,); or a batch of vectors (M, D).
            k: how many, at least 1; all rows where there are fewer.

        Returns:
            `Matches`, a list of `Match` that also tells how the query was understood; for a batch a list of M.

        Raises:
            UserError: no row or several are meant, the vector's shape or values cannot be compared, or k < 1.
        """
        k = _checked_k(k)
        if isinstance(query, str):
            row, mode = self._lookup.understand(query)
            scores, rows = self._nearest(self.faiss.reconstruct(row)[None], k + 1)[0]
            others = rows != row
            return self._matches(scores[others][:k], rows[others][:k], mode, self.names[row])
        vectors = _real_array(query, "the query")
        if vectors.ndim not in (1, 2) or vectors.shape[-1] != self.dimension:
            raise UserError(
                f"the query has shape {vectors.shape}; this index takes a name, ({self.dimension},) or "
                f"(M, {self.dimension})"
            )
        batch = np.concatenate(
            [np.empty((0, self.dimension), np.float32), *_checked_blocks(np.atleast_2d(vectors), None, self.metric)]
        )
        found = [self._matches(scores, rows, "vector") for scores, rows in self._nearest(batch, k)]
        return found[0] if vectors.ndim == 1 else found

    def save(self, folder: str | Path) -> Path:
        """Write the index folder: FAISS's file, the names, and a manifest of their hashes, which comes last.

        Raises:
            UserError: it cannot be written, or the folder holds something else; an index that was there is intact.
        """
        return write_folder(
            Path(folder), self.faiss, self.names, self.titles, {"metric": self.metric, "factory": self.factory}
        )

    @classmethod
    def load(cls, folder: str | Path) -> SearchIndex:
        """The index that `save` wrote.

        Raises:
            UserError: there is none, or a byte of it has changed; said before FAISS reads any.
        """
        index, names, titles, description = read_folder(Path(folder))
        return cls(index, NameLookup(names, titles), description["metric"], description["factory"])

    def _matches(self, scores: np.ndarray, rows: np.ndarray, mode: Mode, name: str | None = None) -> Matches:
        found = [
            Match(self.names[row], score, rank, self.titles[row] if self.titles is not None else "")
            for rank, (score, row) in enumerate(zip(scores.tolist(), rows.tolist()), 1)
        ]
        return Matches(found, mode, name)

    def _nearest(self, queries: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each of (M, D) prepared queries, up to k scores (float32, falling) and their rows."""
        if not len(queries):
            return []
        if self.factory == "Flat":
            candidates = zip(queries, *self._candidates(queries, k + SPARE))
            return [self._settled(query, scores, rows, k) for query, scores, rows in candidates]
        found = []
        for scores, rows in zip(*self._candidates(queries, k)):
            scores, rows = scores[rows >= 0], rows[rows >= 0]  # an approximate index may visit fewer than k rows
            if self.metric == "l2":
                scores = 0.0 - np.sqrt(np.maximum(-scores, 0))  # 0.0 - 0.0 is no -0.0
            order = np.lexsort((rows, -scores))
            found.append((scores[order], rows[order]))
        return found

    def _candidates(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """FAISS's answer, (M, k) scores and rows; its squared distances negated, so that more is nearer."""
        scores, rows = self.faiss.search(queries, min(k, len(self)))
        return (-scores if self.metric == "l2" else scores), rows

    def _settled(
        self, query: np.ndarray, scores: np.ndarray, rows: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best k of FAISS's candidates, scored anew in float64.

        FAISS adds up large batches by matrix products (l2 as |q|² + |x|² - 2 q·x), whose float32 rounding can change
        the order; and equal inner products come in no order. More candidates are fetched while rows past the last
        could truly be as near as the k-th.
        """
        while True:
            vectors = self.faiss.reconstruct_batch(rows).astype(np.float64)
            lengths = np.linalg.norm(vectors, axis=1)
            length = np.linalg.norm(query.astype(np.float64))
            scale = (length + lengths.max()) ** 2 if self.metric == "l2" else length * lengths.max()
            if len(rows) == len(self) or scores[-1] < scores[k - 1] - ROUNDING * scale:
                break
            (scores,), (rows,) = self._candidates(query[None], 4 * len(rows))
        # .sum(axis=1) and not @: a row's sum must not depend on its place, as it does in BLAS
        if self.metric == "l2":
            exact = 0.0 - np.sqrt(((vectors - query) ** 2).sum(axis=1))
        else:
            exact = (vectors * query).sum(axis=1)
        if self.metric == "cosine":
            exact /= lengths * length  # rows of length one in float32 are so to 1e-7 only
        exact = exact.astype(np.float32)
        order = np.lexsort((rows, -exact))[:k]
        return exact[order], rows[order]


def _read_source(
    source: Any, names: Sequence[str] | None, titles: Sequence[str] | None
) -> tuple[np.ndarray, NameLookup]:
    """The matrix and the names of whatever `build` was given."""
    if hasattr(source, "matrix"):
        if names is not None or titles is not None:
            raise UserError(
                f"{type(source).__name__} has names of its own: leave `names` and `titles` out, or give its .matrix"
            )
        names = getattr(source, "names", None) if hasattr(source, "names") else getattr(source, "words", None)
        titles = getattr(source, "titles", None)
        source = source.matrix
    if names is None:
        raise UserError("the rows have no names: give `names`, one string a row")
    matrix = _real_array(source, "the matrix")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise UserError(f"the matrix has shape {matrix.shape}: (N, D) with at least one row and one column is needed")
    lookup = NameLookup(names, titles)
    if len(lookup) != len(matrix):
        raise UserError(f"{len(lookup):,} names for {len(matrix):,} rows: give one a row")
    return matrix, lookup


def _real_array(values: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:
        raise UserError(f"{what} is not an array: its rows differ in length") from None
    if array.dtype.kind not in "fiu":
        raise UserError(f"{what} is of type {array.dtype}: give real numbers")
    return array


def _checked_blocks(matrix: np.ndarray, names: Sequence[str] | None, metric: Metric) -> Iterator[np.ndarray]:
    """The rows as FAISS is given them, (at most BLOCK, D) float32 at a time, of length one for the cosine."""
    for start in range(0, len(matrix), BLOCK):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
            block = np.ascontiguousarray(matrix[start : start + BLOCK], dtype=np.float32)

        def refuse(bad: Any, trouble: str, start: int = start) -> None:
            if bad.any():
                row = start + int(bad.argmax())
                called = f" ({names[row]!r})" if names is not None else " of the query"
                raise UserError(f"row {row}{called} {trouble}")

        refuse(np.isnan(block).any(axis=1), "holds NaN: nothing is near it; train again or leave it out")
        refuse(np.isinf(block).any(axis=1), "holds a number that is infinite in float32: scale it or leave it out")
        lengths = np.linalg.norm(block.astype(np.float64), axis=1, keepdims=True)
        if metric == "cosine":
            refuse(lengths[:, 0] == 0, "is zero and has no direction: leave it out, or use metric 'dot' or 'l2'")
            block = (block / lengths).astype(np.float32)
        else:
            refuse(lengths[:, 0] > LONGEST, f"is longer than {LONGEST:g}, its products overflow: scale the rows down")
        yield block


def _checked_k(k: int) -> int:
    try:
        k = operator.index(k)
    except TypeError:
        raise UserError(f"k = {k!r} is not a whole number") from None
    if k < 1:
        raise UserError(f"k = {k}: ask for at least 1 match")
    return k
