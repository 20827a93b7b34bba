"""From vectors to the nearest rows by number: FAISS's answer with its ties in order, settled where search is exact.

FAISS adds up large batches by matrix products (l2 as |q|² + |x|² - 2 q·x), whose float32 rounding can change the
order; and equal inner products come in no order. So exact search asks for more candidates than wanted, and scores
these anew in float64.

Axes: N rows, D dimension, M queries, k neighbours, C candidates.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from graphkit.search import kinds
from graphkit.search.rows import Metric
from neuralcore.errors import UserError
from neuralcore.kernels.exact_scores import METRICS
from neuralcore.kernels.exact_scores.cpu import exact_scores  # by itself: its checks would cost what it does
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

SPARE = 6  # candidates FAISS is asked for beyond k, among which ties are settled
ROUNDING = 1e-5  # what two float32 scores of equal vectors may differ by, relative to the product of the norms
SETTLED = 2_000_000  # numbers of candidates' vectors that are settled at a time, 16 MB of float64
SHARE = 0.05  # of the rows: where fewer pass a filter, all of these are compared


def nearest_rows(
    index: Any, queries: np.ndarray, k: int, metric: Metric, passing: np.ndarray | None = None, gpu: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """(M, K) scores, falling, and row numbers, ties by number; K is k or the rows there are, -1 where none was found.

    Args:
        index: FAISS's. queries: (M, D) float32, checked, of length one for the cosine.
        passing: (N,) which rows may be found; None for all. Where few may, all of these are compared, whatever the
            kind of index.
        gpu: a copy of the index that searches, where all rows may be found.

    Raises:
        UserError: this kind of FAISS index cannot leave rows out.
    """
    count = index.ntotal if passing is None else int(passing.sum())
    k = min(k, count)
    if not k or not len(queries):
        return np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    if isinstance(index, faiss.IndexFlat):
        searched = gpu if gpu is not None and passing is None else index
        return _settled(searched, index, queries, k, metric, kinds.parameters(index, passing), count)
    if passing is not None and (count * index.d <= kinds.EXACT_NUMBERS or count < SHARE * len(passing)):
        rows = np.flatnonzero(passing)
        few = faiss.IndexFlat(index.d, index.metric_type)
        few.add(index.reconstruct_batch(rows))
        scores, places = _settled(few, few, queries, k, metric, None, count)
        return scores, rows[places]
    searched = gpu if gpu is not None and passing is None else index
    try:
        scores, rows = _candidates(searched, queries, k, metric, kinds.parameters(index, passing))
    except RuntimeError:
        raise UserError(
            f"{type(index).__name__} cannot search among some rows only: use factory 'auto', 'HNSW32' or 'IVF64,Flat'"
        ) from None
    if metric == "l2":
        scores = 0.0 - np.sqrt(np.maximum(-scores, 0))  # 0.0 - 0.0 is no -0.0
    if _falling(scores) and (rows[0, -1] >= 0 if len(rows) == 1 else (rows[:, -1] >= 0).all()):
        return scores, rows  # as most are: no ties to put in order
    order = np.lexsort((rows, -scores), axis=-1)
    # An approximate index may visit fewer than k rows; its -1 come last, whatever their score.
    order = np.take_along_axis(order, np.argsort(np.take_along_axis(rows, order, 1) < 0, kind="stable", axis=1), 1)
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


def _falling(scores: np.ndarray) -> bool:
    """Whether each score (M, k) is truly below the one before it."""
    if len(scores) == 1:  # a list's comparisons cost less than an array's
        values = scores[0].tolist()
        return all(map(operator.gt, values, values[1:]))
    return bool((scores[:, :-1] > scores[:, 1:]).all())


def _candidates(
    index: Any, queries: np.ndarray, k: int, metric: Metric, parameters: Any
) -> tuple[np.ndarray, np.ndarray]:
    """FAISS's answer, (M, k) scores and rows; its squared distances negated, so that more is nearer."""
    scores, rows = index.search(queries, k) if parameters is None else index.search(queries, k, params=parameters)
    return (-scores if metric == "l2" else scores), rows


def _settled(
    index: Any, stored: Any, queries: np.ndarray, k: int, metric: Metric, parameters: Any, count: int, wanted: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The best k of `wanted` candidates, scored anew in float64; more are fetched while rows past the last could
    truly be as near as the k-th. `stored` gives the vectors of rows back."""
    wanted = min(wanted or k + SPARE, count)
    size = max(1, SETTLED // (wanted * stored.d))
    if len(queries) > size:
        parts = [
            _settled(index, stored, queries[start : start + size], k, metric, parameters, count, wanted)
            for start in range(0, len(queries), size)
        ]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([rows for _, rows in parts])
    scores, rows = _candidates(index, queries, wanted, metric, parameters)
    vectors = stored.reconstruct_batch(rows.ravel()).reshape(*rows.shape, stored.d)
    exact, scales = exact_scores(queries, vectors, METRICS.index(metric))
    if not _falling(exact):
        order, each = np.lexsort((rows, -exact), axis=-1), np.arange(len(queries))[:, None]
        exact, rows = exact[each, order], rows[each, order]
    exact, rows = exact[:, :k], rows[:, :k]
    if wanted < count:
        for i in _unsure(scores, k, scales):
            one = slice(i, i + 1)
            exact[one], rows[one] = _settled(index, stored, queries[one], k, metric, parameters, count, 4 * wanted)
    return exact, rows


def _unsure(scores: np.ndarray, k: int, scales: np.ndarray) -> list[int]:
    """The queries whose last candidate, of FAISS's scores (M, C), may truly be as near as the k-th."""
    if len(scores) == 1:
        return [0] if float(scores[0, -1]) >= float(scores[0, k - 1]) - ROUNDING * float(scales[0]) else []
    return (scores[:, -1] >= scores[:, k - 1] - ROUNDING * scales).nonzero()[0].tolist()
