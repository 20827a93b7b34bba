"""Which entities of a type score best: what a question is compared with candidates by, `operator(x_h, w_r)`, is one
vector, so where the comparator is a product, a cosine or a distance, FAISS finds the nearest ones. With other
comparators (poincare) the model compares with every one.

Axes: B questions of D numbers, N entities, k answers.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.embedding.evaluation import HEADS, SCORES, TAILS
from graphkit.search import kinds
from graphkit.search.nearest_rows import nearest_rows
from graphkit.search.rows import Metric, checked_blocks, checked_queries
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from neuralcore.scoring.comparators import TINY

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding

faiss = lazy_import("faiss", extra="cpu")

METRICS: dict[str, Metric] = {"dot": "dot", "cos": "cosine", "l2": "l2", "squared_l2": "l2"}  # by which FAISS finds
SAMPLE = 200  # edges of the graph by which it is measured what an approximate index finds


class Candidates:
    """The entities of a trained graph, a FAISS index for each type that is asked for; see `RelationIndex`.

    Attributes:
        recall: type -> what the approximate index of it finds of the 10 best.
    """

    def __init__(self, embedding: GraphEmbedding, factory: str, recall: float):
        self.embedding, self.factory, self.recall = embedding, factory, dict[str, float]()
        self.metric: str = embedding.config.comparator
        self._target, self._lock = recall, threading.Lock()
        self._indices: dict[str, Any] = {}

    def nearest(
        self, kind: str, side: int, given: np.ndarray, relation: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(B, K) scores, falling, and rows of the type, K the smaller of k and N; of equals the first, -1 where an
        index found fewer.

        Args:
            side: what is asked for, `TAILS` or `HEADS`. given, relation: (B,) numbers in the graph.

        Raises:
            UserError: FAISS refuses the factory, or a vector is NaN or infinite.
        """
        k = min(k, len(self.embedding.graph.rows_of(kind)))
        index = self._index(kind)
        queries = self.embedding.queries(given, relation, side).numpy()
        # By the cosine a zero vector has no direction to look into; the model says that it is like nothing, 0.
        looked = queries.any(axis=1) if self.metric == "cos" else np.ones(len(given), bool)
        if index is None or not looked.all():
            slow = np.ones(len(given), bool) if index is None else ~looked
            scores, rows = np.empty((len(given), k), np.float32), np.empty((len(given), k), np.int64)
            scores[slow], rows[slow] = self._compared(side, given[slow], relation[slow], k)
            if not slow.all():
                scores[~slow], rows[~slow] = self.nearest(kind, side, given[~slow], relation[~slow], k)
            return scores, rows
        metric = METRICS[self.metric]
        scores, rows = nearest_rows(index, checked_queries(queries, metric), k, metric)
        if metric == "l2":
            squares = scores.astype(np.float64) ** 2
            scores = (-np.sqrt(TINY + squares) if self.metric == "l2" else -squares).astype(np.float32)
        return scores, rows

    def _compared(self, side: int, given: np.ndarray, relation: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The same by comparing with every candidate, as the model does."""
        could = self.embedding.answers(int(relation[0]), side)
        chunk = max(1, SCORES // max(len(could), 1))
        parts = []
        for start in range(0, len(given), chunk):
            some = slice(start, start + chunk)
            scores = self.embedding.score(given[some], relation[some], side).numpy()
            order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            parts.append((np.take_along_axis(scores, order, 1), order))
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([rows for _, rows in parts])

    def _index(self, kind: str) -> Any:
        """FAISS's index of a type's entities; None where the model has to compare with each."""
        with self._lock:
            if kind not in self._indices:
                self._indices[kind] = self._made(kind)
            return self._indices[kind]

    def _made(self, kind: str) -> Any:
        metric, rows = METRICS.get(self.metric), self.embedding.graph.rows_of(kind)
        matrix = self.embedding.matrix[rows.start : rows.stop]
        if metric is None or (metric == "cosine" and not matrix.any(axis=1).all()):
            return None
        names = self.embedding.graph.entities[rows.start : rows.stop]
        factory = kinds.choose(*matrix.shape)[0] if self.factory == "auto" else self.factory

        def blocks(some: np.ndarray | None) -> Any:
            return checked_blocks(matrix, names, metric, some)

        how = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        try:
            index = kinds.make(factory, len(matrix), matrix.shape[1], how, blocks)
        except RuntimeError as error:
            trouble = str(error).rsplit(": ", 1)[-1]
            raise UserError(
                f"FAISS refuses factory {factory!r} for {len(matrix):,} entities of dimension {matrix.shape[1]}: "
                f"{trouble}; try 'Flat', 'auto', 'HNSW32' or 'IVF64,Flat'"
            ) from None
        if not isinstance(index, faiss.IndexFlat):
            self.recall[kind] = kinds.tune(index, self._target, lambda: self._measured(kind, index, metric))
        return index

    def _measured(self, kind: str, index: Any, metric: Metric) -> float:
        """The recall of the 10 best answers to questions of training edges, which are not distributed as rows are."""
        edges = self.embedding.graph.train
        edges = edges[np.unique(np.random.default_rng(0).integers(0, len(edges), 4 * SAMPLE))]
        hits = total = 0
        for side, column in ((TAILS, 0), (HEADS, 2)):
            kinds_of = [pair[1 if side == TAILS else 0] for pair in self.embedding.graph.sides]
            could = [r for r, mine in enumerate(kinds_of) if mine == kind and self.embedding.asks(r, side)]
            some = np.asarray(edges[np.isin(edges[:, 1], could)][:SAMPLE])
            if not len(some):
                continue
            given, relation = some[:, column], some[:, 1]
            queries = self.embedding.queries(given, relation, side).numpy()
            known = queries.any(axis=1)
            _, right = self._compared(side, given[known], relation[known], kinds.JUDGED)
            _, found = nearest_rows(index, checked_queries(queries[known], metric), kinds.JUDGED, metric)
            hits += sum(len(np.intersect1d(a, b)) for a, b in zip(right, found))
            total += right.size
        return hits / total if total else 1.0
