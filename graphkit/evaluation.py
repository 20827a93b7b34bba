"""Link prediction, ranked: for each test edge, where does the true entity stand among all of them?

Protocol of Bordes et al. (2013): every test edge asks twice, (head, relation, ?) and (?, relation, tail). *Filtered*
leaves out of each ranking the other entities that make an edge of the graph, in whatever split; *raw* leaves all in.
Ties count by half: an entity's rank is 1 + the better ones + half of its equals ("realistic" ranks: the mean of the
best and worst position, so that equal scores everywhere give the middle, not the top). A score that is NaN counts as
an equal, not as a worse one: vectors that diverged earn nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from neuralcore.errors import UserError
from neuralcore.shape import match_shape

TAILS, HEADS = 0, 1  # which side of the edges is asked for
Scorer = Callable[[np.ndarray, np.ndarray, int], torch.Tensor]

CHUNK_BYTES = 64 * 2**20  # of scores at once: a chunk of B queries is a (B, N) matrix


@dataclass(frozen=True)
class Ranking:
    """Figures of one ranking, both sides of Q/2 edges: Q queries.

    Attributes:
        mrr: mean reciprocal rank. mr: mean rank. hits_1, hits_3, hits_10: share of ranks up to that.
        queries: Q.
    """

    mrr: float
    mr: float
    hits_1: float
    hits_3: float
    hits_10: float
    queries: int

    @classmethod
    def of(cls, ranks: np.ndarray) -> Ranking:
        """From ranks (Q,), 1 the best."""
        hits_1, hits_3, hits_10 = (float((ranks <= k).mean()) for k in (1, 3, 10))
        return cls(float((1.0 / ranks).mean()), float(ranks.mean()), hits_1, hits_3, hits_10, len(ranks))

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def rank(score: Scorer, edges: np.ndarray, known: np.ndarray, entities: int, *, filtered: bool = True) -> np.ndarray:
    """The ranks of the true entities.

    Args:
        score: (given (B,), relation (B,), side) -> (B, N) scores of every entity as the missing one.
        edges: (E, 3) head, relation, tail: what is asked.
        known: (K, 3) every edge of the graph, which the filtered ranking leaves out; `edges` may be among them.
        entities: N.

    Returns:
        (2·E,) float64: first the tails asked for, then the heads.

    Raises:
        UserError: a true entity's score is not finite.
    """
    match_shape(edges, -1, 3, name="edges")
    match_shape(known, -1, 3, name="known")
    ranks = []
    chunk = max(1, CHUNK_BYTES // (4 * entities))
    for side in (TAILS, HEADS):
        given, missing = (0, 2) if side == TAILS else (2, 0)
        answers = Answers(np.concatenate([known, edges]) if filtered else edges[:0], side, entities)
        for start in range(0, len(edges), chunk):
            part = edges[start : start + chunk]
            scores = score(part[:, given], part[:, 1], side).float().cpu().numpy()
            match_shape(scores, len(part), entities, name="scores")
            true = scores[np.arange(len(part)), part[:, missing]]
            if not np.isfinite(true).all():
                raise UserError("a score is not finite: the vectors diverged; lower the learning rate")
            better = (scores > true[:, None]).sum(1)
            equal = entities - better - (scores < true[:, None]).sum(1)
            if filtered:  # the counts, not the scores, are corrected: that costs no second pass
                rows, others = answers.of(part[:, given], part[:, 1])
                above, below = scores[rows, others] > true[rows], scores[rows, others] < true[rows]
                better = better - np.bincount(rows[above], minlength=len(part))
                equal = equal - np.bincount(rows[~above & ~below], minlength=len(part))
            else:
                equal = equal - 1  # the true one is its own equal
            ranks.append(1.0 + better + equal / 2.0)
    return np.concatenate(ranks)


class Answers:
    """The entities that complete (given, relation, ?) to a known edge, by binary search in one sorted array.

    Args:
        known: (K, 3) edges, duplicates allowed. side: `TAILS` or `HEADS`, what is asked for. entities: N.
    """

    def __init__(self, known: np.ndarray, side: int, entities: int):
        given, missing = (0, 2) if side == TAILS else (2, 0)
        keys = known[:, 1].astype(np.int64) * entities + known[:, given]
        order = np.lexsort((known[:, missing], keys))
        keys, values = keys[order], known[order, missing]
        first = np.ones(len(keys), dtype=bool)
        first[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
        self._keys, self._values = keys[first], values[first]  # an answer known twice is taken out once
        self._entities = entities

    def of(self, given: np.ndarray, relation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index arrays (which question, entity) of all the answers to B questions (B,), (B,)."""
        keys = np.asarray(relation, dtype=np.int64) * self._entities + given
        low, high = np.searchsorted(self._keys, keys), np.searchsorted(self._keys, keys, side="right")
        counts = high - low
        rows = np.repeat(np.arange(len(keys)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self._values[np.repeat(low, counts) + within]
