"""Link prediction, ranked: for each test edge, where does the true entity stand among all of them?

Protocol of Bordes et al. (2013): every test edge asks twice, (head, relation, ?) and (?, relation, tail). *Filtered*
leaves out of each ranking the other entities that make an edge of the graph, in whatever split; *raw* leaves all in.
Ties count by half: an entity's rank is 1 + the better ones + half of its equals ("realistic" ranks: the mean of the
best and worst position, so that equal scores everywhere give the middle, not the top). A score that is NaN counts as
an equal, not as a worse one: vectors that diverged earn nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from graphkit.embedding.questions import KnownAnswers
from neuralcore.device import one_thread_each
from neuralcore.errors import UserError
from neuralcore.kernels.rank_counts import rank_counts
from neuralcore.shape import match_shape

TAILS, HEADS = 0, 1  # which side of the edges is asked for
Scorer = Callable[[np.ndarray, np.ndarray, int, slice], torch.Tensor]

SCORES = 1 << 21  # at once: 8 MB, which a cache holds, are written and read faster than they come from memory
LEAST = 128  # questions at once, however many entities: for each chunk all vectors are read


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
        score: (given (B,), relation (B,), side, part) -> (B, part of K) scores of the entities that could be the
            missing one. Asked the same twice, it says the same to the last bit. As many threads as torch has call it.
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
            # By their true entities, so that those of a chunk are in few blocks of entities.
            mine = mine[np.argsort(edges[mine, missing], kind="stable")]
            chunk = max(LEAST, SCORES // max(len(could), 1))

            def ranked(
                at: np.ndarray, side: int = side, given: int = given, missing: int = missing, could: range = could
            ) -> None:
                part, others, where = edges[at], None, at + side * len(edges)
                if found is not None:
                    others = found.of(part[:, given], part[:, 1] + side * relations)
                    others = others[0], others[1] - could.start

                def scores(block: slice) -> np.ndarray:
                    made = score(part[:, given], part[:, 1], side, block).float().cpu().numpy()
                    match_shape(made, len(part), block.stop - block.start, name="scores")
                    return np.ascontiguousarray(made)

                ranks[where] = _ranked(scores, len(could), part[:, missing] - could.start, others)
                among[where] = len(could)
                if others is not None:  # the true one is known, and ranked
                    among[where] -= np.bincount(others[0], minlength=len(part)) - 1

            with one_thread_each() as threads, ThreadPoolExecutor(threads) as executor:
                # The list raises what was raised there.
                list(executor.map(ranked, (mine[start : start + chunk] for start in range(0, len(mine), chunk))))
    return Ranks(ranks, among)


def _ranked(
    scores: Callable[[slice], np.ndarray],
    count: int,
    column: np.ndarray,
    others: tuple[np.ndarray, np.ndarray] | None,
) -> np.ndarray:
    """(B,) the ranks of the true columns (B,) of B x `count` scores; `others` (which row, column) are left out.

    A block of columns at a time. The true scores come from the same products as those they are compared with, for
    equal vectors must have equal scores: a block with true ones is computed twice, but for the last of them.
    """
    width = max(SCORES // max(len(column), 1), 1)
    true = np.empty(len(column), np.float32)
    latest: tuple[int, np.ndarray] = -1, true

    def block(number: int) -> np.ndarray:
        nonlocal latest
        if latest[0] != number:
            latest = number, scores(slice(number * width, min((number + 1) * width, count)))
        return latest[1]

    numbers = sorted(set((column // width).tolist()))
    for number in numbers:
        mine = np.flatnonzero(column // width == number)
        true[mine] = block(number)[mine, column[mine] - number * width]
    if not np.isfinite(true).all():
        raise UserError("a score is not finite: the vectors diverged; lower the learning rate")
    rows: np.ndarray = np.zeros(0, np.int64)
    columns = rows
    if others is not None:
        by_column = np.argsort(others[1], kind="stable")
        rows, columns = (array[by_column] for array in others)
    better, worse = np.zeros(len(column), np.int64), np.zeros(len(column), np.int64)
    for number in sorted(range(-(-count // width)), key=lambda n: n != latest[0]):  # the one at hand first
        above, below = rank_counts(block(number), true)
        # The counts, not the scores, are corrected: that costs no second pass.
        some = slice(*np.searchsorted(columns, [number * width, (number + 1) * width]))
        theirs, mine = block(number)[rows[some], columns[some] - number * width], true[rows[some]]
        better += above - np.bincount(rows[some][theirs > mine], minlength=len(column))
        worse += below - np.bincount(rows[some][theirs < mine], minlength=len(column))
    # The true one is its own equal, and among the others where there are any.
    left = count - (1 if others is None else np.bincount(rows, minlength=len(column)))
    return 1.0 + better + (left - better - worse) / 2.0
