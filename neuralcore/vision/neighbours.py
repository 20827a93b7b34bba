"""k nearest neighbours: the baseline that learns nothing (Fix & Hodges 1951, Cover & Hart 1967).

    |q - x|² = |q|² - 2 q·x + |x|²

so that all distances are one product of matrices. Pixels are whole numbers, so their distances are: in float64 they
are exact as long as D · 255² is below 2⁵³, and images that are equally far away are known to be.

Axes: N examples of D numbers, Q queries, K classes, k neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuralcore.shape import match_shape

MOST = 64 << 20  # distances that are in memory at once, half a gigabyte


class Told(NamedTuple):
    """What neighbours say of Q queries.

    Attributes:
        labels: (Q,) int64, the class with most votes; of several, the one whose vote is nearest.
        tied: (Q,) bool, whether several classes had as many votes.
        edge: (Q,) bool, whether the example after the k-th is as near as the k-th, so that the order of the examples
            decided who may vote.
    """

    labels: np.ndarray
    tied: np.ndarray
    edge: np.ndarray


class Neighbours:
    """Keeps examples, and asks the nearest ones.

    Args:
        examples: (N, …) numbers, flattened to (N, D); pixels as bytes are exact.
        labels: (N,) int64 in [0, K).
    """

    def __init__(self, examples: np.ndarray, labels: np.ndarray):
        match_shape(labels, len(examples), name="labels")
        self._examples = examples.reshape(len(examples), -1).astype(np.float64)
        self._labels = labels.astype(np.int64)
        self._squares = np.einsum("nd,nd->n", self._examples, self._examples)
        self.classes = int(labels.max()) + 1

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows (Q, k) of the k nearest examples of each query, nearest first, and the squares (Q, k) of how far.

        Of equally near ones, those of lower rows.

        Raises:
            ValueError: k is not in 1 to N.
        """
        if not 1 <= k <= len(self._examples):
            raise ValueError(f"k must be from 1 to the number of examples, {len(self._examples)}, got {k}")
        flat = queries.reshape(len(queries), -1)
        match_shape(flat, -1, self._examples.shape[1], name="queries")
        rows, squares = np.empty((len(flat), k), np.int64), np.empty((len(flat), k))
        block = max(1, MOST // len(self._examples))
        for start in range(0, len(flat), block):
            some = flat[start : start + block].astype(np.float64)
            far = some @ self._examples.T
            far *= -2.0
            far += self._squares
            far += np.einsum("qd,qd->q", some, some)[:, None]
            for at, row in enumerate(far, start):
                # All that are as near as the k-th, as a partition takes any of these.
                last = np.partition(row, k - 1)[k - 1]
                near = np.flatnonzero(row <= last)
                rows[at] = near[np.argsort(row[near], kind="stable")[:k]]
                squares[at] = row[rows[at]]
        return rows, squares

    def tell(self, queries: np.ndarray, k: int) -> Told:
        """What class queries (Q, …) are of, by a vote of k neighbours.

        Raises:
            ValueError: k is not in 1 to N.
        """
        return self.vote(*self.nearest(queries, min(k + 1, len(self._examples))), k)

    def vote(self, rows: np.ndarray, squares: np.ndarray, k: int) -> Told:
        """What the first k of M neighbours say, given what `nearest` gave: rows and squares (Q, M).

        With M = k there must be no more examples, as otherwise `edge` is not known.

        Raises:
            ValueError: k is not in 1 to M, or the one after is wanted.
        """
        match_shape(squares, *rows.shape, name="squares")
        more = min(k + 1, len(self._examples))
        if not 1 <= k <= len(self._examples) or rows.shape[1] < more:
            raise ValueError(f"a vote of k = {k} needs {more} neighbours, got {rows.shape[1]}")
        voters = self._labels[rows[:, :k]]
        votes = np.zeros((len(rows), self.classes), np.int64)
        np.add.at(votes, (np.arange(len(rows))[:, None], voters), 1)
        best = votes == votes.max(axis=1, keepdims=True)
        first = np.take_along_axis(best, voters, axis=1).argmax(axis=1)
        edge = squares[:, k] == squares[:, k - 1] if more > k else np.zeros(len(rows), bool)
        return Told(voters[np.arange(len(rows)), first], best.sum(axis=1) > 1, edge)
