"""Link prediction, ranked: for each test edge, where does the true entity stand among all of them?

Protocol of Bordes et al. (2013): every test edge asks twice, (head, relation, ?) and (?, relation, tail). *Filtered*
leaves out of each ranking the other entities that make an edge of the graph, in whatever split; *raw* leaves all in.
Ties count by half: an entity's rank is 1 + the better ones + half of its equals ("realistic" ranks: the mean of the
best and worst position, so that equal scores everywhere give the middle, not the top). A score that is NaN counts as
an equal, not as a worse one: vectors that diverged earn nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from graphkit.embedding.questions import KnownAnswers
from neuralcore.errors import UserError
from neuralcore.shape import match_shape

TAILS, HEADS = 0, 1  # which side of the edges is asked for
Scorer = Callable[[np.ndarray, np.ndarray, int], torch.Tensor]

CHUNK_BYTES = 64 * 2**20  # of scores at once: a chunk of B queries is a (B, N) matrix
LEAST = 32  # queries at once, however many entities: for each chunk all vectors are read


class Ranks(NamedTuple):
    """Of Q questions: first the tails asked for, then the heads, each in the edges' order.

    Attributes:
        rank: (Q,) float64 ranks of the true entities, 1 the best; NaN where a relation is not asked for that side.
        among: (Q,) int64 how many were ranked.
    """

    rank: np.ndarray
    among: np.ndarray

    def of(self, which: np.ndarray) -> Ranks:
        """Those of some questions."""
        return Ranks(self.rank[which], self.among[which])


@dataclass(frozen=True)
class Ranking:
    """Figures of the ranks of Q questions.

    Attributes:
        mrr: mean reciprocal rank. mr: mean rank. hits_1, hits_3, hits_10: share of ranks up to that.
        auc: how often the true entity is before another one, ties by half (the area under the ROC curve, question by
            question). questions: Q.
    """

    mrr: float
    mr: float
    hits_1: float
    hits_3: float
    hits_10: float
    auc: float
    questions: int

    @classmethod
    def of(cls, ranks: Ranks) -> Ranking:
        """From ranks; of none that is asked, every figure is NaN."""
        rank, among = ranks.of(np.flatnonzero(~np.isnan(ranks.rank)))
        if not len(rank):
            none = float("nan")
            return cls(none, none, none, none, none, none, 0)
        others = among - 1
        hits_1, hits_3, hits_10 = (float((rank <= k).mean()) for k in (1, 3, 10))
        ahead = np.where(others > 0, 1.0 - (rank - 1.0) / np.maximum(others, 1), 0.5)
        mean = float((1.0 / rank).mean()), float(rank.mean())
        return cls(*mean, hits_1, hits_3, hits_10, float(ahead.mean()), len(rank))

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class RelationRanking(NamedTuple):
    """Figures of one relation: the edges it has, their tails asked for, their heads, and both."""

    relation: str
    edges: int
    tails: Ranking
    heads: Ranking
    both: Ranking


def by_relation(ranks: Ranks, edges: np.ndarray, names: Sequence[str]) -> list[RelationRanking]:
    """The figures of each relation that occurs in edges (E, 3), the commonest first."""
    found = []
    for relation in np.unique(edges[:, 1]):
        mine = np.flatnonzero(edges[:, 1] == relation)
        sides = [Ranking.of(ranks.of(which)) for which in (mine, mine + len(edges), np.r_[mine, mine + len(edges)])]
        found.append(RelationRanking(names[relation], len(mine), *sides))
    return sorted(found, key=lambda row: (-row.edges, row.relation))


def rank(
    score: Scorer,
    edges: np.ndarray,
    known: np.ndarray | None,
    entities: int,
    answers: Callable[[int, int], range] | None = None,
    asked: np.ndarray | None = None,
) -> Ranks:
    """The ranks of the true entities.

    Args:
        score: (given (B,), relation (B,), side) -> (B, K) scores of every entity that could be the missing one.
        edges: (E, 3) head, relation, tail: what is asked.
        known: (M, 3) every edge of the graph, which the filtered ranking leaves out; `edges` may be among them. None
            for the raw one.
        entities: N.
        answers: (relation, side) -> the K entities that could be missing; None: all N.
        asked: (R, 2) bool, whether a relation's tails and heads are asked for; None: both of all.

    Raises:
        UserError: a true entity's score is not finite.
    """
    match_shape(edges, -1, 3, name="edges")
    relations = int(edges[:, 1].max(initial=0)) + 1
    found: KnownAnswers | None = None
    if known is not None:
        match_shape(known, -1, 3, name="known")
        relations = max(relations, int(known[:, 1].max(initial=0)) + 1)
        found = KnownAnswers(np.concatenate([known, edges]), relations, entities)
    ranks, among = np.full(2 * len(edges), np.nan), np.zeros(2 * len(edges), np.int64)
    for side in (TAILS, HEADS):
        given, missing = (0, 2) if side == TAILS else (2, 0)
        ranges = [range(entities) if answers is None else answers(r, side) for r in range(relations)]
        # Questions of one type of answers together.
        for could in dict.fromkeys(ranges):
            of_relation = np.array([mine == could for mine in ranges])
            if asked is not None:
                of_relation &= asked[:relations, side]
            mine = np.flatnonzero(of_relation[edges[:, 1]])
            chunk = max(LEAST, CHUNK_BYTES // (4 * max(len(could), 1)))
            for start in range(0, len(mine), chunk):
                at = mine[start : start + chunk]
                part = edges[at]
                scores = score(part[:, given], part[:, 1], side).float().cpu().numpy()
                match_shape(scores, len(part), len(could), name="scores")
                others = None
                if found is not None:
                    others = found.of(part[:, given], part[:, 1] + side * relations)
                    others = others[0], others[1] - could.start
                where = at + side * len(edges)
                ranks[where] = _ranked(scores, part[:, missing] - could.start, others)
                among[where] = len(could)
                if others is not None:  # the true one is known, and ranked
                    among[where] -= np.bincount(others[0], minlength=len(part)) - 1
    return Ranks(ranks, among)


def _ranked(scores: np.ndarray, column: np.ndarray, others: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """(B,) the ranks of the true columns (B,) of scores (B, K); `others` (which row, column) are left out."""
    true = scores[np.arange(len(scores)), column]
    if not np.isfinite(true).all():
        raise UserError("a score is not finite: the vectors diverged; lower the learning rate")
    better = (scores > true[:, None]).sum(1)
    equal = scores.shape[1] - better - (scores < true[:, None]).sum(1)
    if others is None:
        equal = equal - 1  # the true one is its own equal
    else:  # the counts, not the scores, are corrected: that costs no second pass
        rows, columns = others
        above, below = scores[rows, columns] > true[rows], scores[rows, columns] < true[rows]
        better = better - np.bincount(rows[above], minlength=len(scores))
        equal = equal - np.bincount(rows[~above & ~below], minlength=len(scores))
    return 1.0 + better + equal / 2.0
