"""Recommendation, ranked: of the items a user has not had yet, which ones come first, and were they right?

Users and items are entities of two types, what a user liked are edges (`Graph` with `sides`), so a factorisation of
the ratings is a `GraphEmbedding` with the operator identity or diagonal and the comparator dot. For each user all
items are ranked, those of training left out; ties by the items' numbers.

    recall@k     hits among the first k / min(k, held-out items), so that a perfect ranking has 1
    precision@k  hits among the first k / k
    NDCG@k       Σ_{hit at place i ≤ k} 1/log2(i + 1), over what a perfect ranking has

These are the definitions of Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering",
https://arxiv.org/abs/1802.05814, section 4.2; figures are means over users with a held-out item.

Axes: U users, I items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.shape import match_shape

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding

CHUNK_BYTES = 64 * 2**20  # of scores at once


@dataclass(frozen=True)
class Recommendation:
    """Means over the users that have a held-out item.

    Attributes:
        k: how many items each is recommended. users: how many users.
    """

    recall: float
    precision: float
    ndcg: float
    k: int
    users: int

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def recommendation(
    score: Callable[[np.ndarray], np.ndarray],
    held_out: np.ndarray,
    seen: np.ndarray,
    items: int,
    k: int = 20,
) -> Recommendation:
    """The figures of a model that scores items for users.

    Args:
        score: users (B,) -> (B, I) float scores, the higher the better.
        held_out: (E, 2) int64 user and item: what should be recommended; a pair counts once.
        seen: (M, 2) user and item: what a user is known to have had, never recommended.
        items: I. k: how many are recommended.

    Raises:
        UserError: nothing is held out, a held-out pair was seen, k is not in 1 … I, or a score is NaN.
    """
    match_shape(held_out, -1, 2, name="held_out")
    match_shape(seen, -1, 2, name="seen")
    if not 1 <= k <= items:
        raise UserError(f"k is {k}: recommend 1 to {items:,} items")
    if not len(held_out):
        raise UserError("no item is held out, so nothing can be measured")
    keys = np.unique(held_out[:, 0].astype(np.int64) * items + held_out[:, 1])
    both = np.intersect1d(keys, seen[:, 0].astype(np.int64) * items + seen[:, 1])
    if len(both):
        user, item = divmod(int(both[0]), items)
        raise UserError(f"item {item} of user {user} is held out and seen ({len(both):,} such pairs): split them")
    owners, wanted = keys // items, keys % items
    users, counts = np.unique(owners, return_counts=True)
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    best = np.cumsum(gains)
    recall, precision, ndcg = (np.empty(len(users)) for _ in range(3))
    chunk = max(1, CHUNK_BYTES // (4 * items))
    row_of_user = np.full(int(max(users.max(), seen[:, 0].max(initial=0))) + 1, -1)
    for start in range(0, len(users), chunk):
        mine = users[start : start + chunk]
        scores = np.array(score(mine), np.float32)
        match_shape(scores, len(mine), items, name="scores")
        if np.isnan(scores).any():
            raise UserError("a score is NaN: the vectors diverged; lower the learning rate")
        row_of_user[mine] = np.arange(len(mine))
        row = row_of_user[seen[:, 0]]
        scores[row[row >= 0], seen[row >= 0, 1]] = -np.inf
        right = np.zeros(scores.shape, bool)
        row = row_of_user[owners]
        right[row[row >= 0], wanted[row >= 0]] = True
        row_of_user[mine] = -1
        first = _first(scores, k)
        # A seen item is never a hit, also where there are fewer than k others.
        hits = np.take_along_axis(right, first, axis=1)
        at, reachable = slice(start, start + len(mine)), np.minimum(counts[start : start + len(mine)], k)
        recall[at], precision[at] = hits.sum(1) / reachable, hits.mean(1)
        ndcg[at] = hits @ gains / best[reachable - 1]
    return Recommendation(float(recall.mean()), float(precision.mean()), float(ndcg.mean()), k, len(users))


def _first(scores: np.ndarray, k: int) -> np.ndarray:
    """(B, k) the columns of the k highest scores (B, I), the highest first, ties by the column."""
    least = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]
    row, column = np.nonzero(scores >= least[:, None])  # k of each row, or more where there are ties
    order = np.lexsort((column, -scores[row, column], row))
    starts = np.searchsorted(row, np.arange(len(scores)))
    return column[order][starts[:, None] + np.arange(k)]


def recommend(embedding: GraphEmbedding, relation: str, split: str = "test", k: int = 20) -> Recommendation:
    """The figures of a graph embedding: the heads of a relation are users, its tails items; `split` is held out.

    Edges of the splits before it (train, valid, test) are what users have had.

    Raises:
        UserError: the graph has no such relation or split, or its tails are not asked for; see `recommendation`.
    """
    from graphkit.embedding.evaluation import TAILS
    from graphkit.graphs.graph import SPLITS
    from neuralcore.errors import nearest

    graph = embedding.graph
    if relation not in graph.relations:
        raise UserError(f"the graph has no relation {relation!r}: {nearest(relation, graph.relations)}")
    if split not in graph.edges or split == "train":
        raise UserError(f"{split!r} is no held-out split: {nearest(split, set(graph.edges) - {'train'})}")
    number = graph.relations.index(relation)
    if not embedding.asks(number, TAILS):
        raise UserError(f"{relation!r} was trained with sides = 'heads': recommending asks for its tails")
    could = embedding.answers(number, TAILS)

    def pairs(name: str) -> np.ndarray:
        rows = graph.edges[name]
        return rows[rows[:, 1] == number][:, [0, 2]] - np.array([0, could.start])

    def score(users: np.ndarray) -> np.ndarray:
        return embedding.score(users, np.full(len(users), number), TAILS).numpy()

    earlier = [pairs(name) for name in SPLITS[: SPLITS.index(split)] if name in graph.edges]
    return recommendation(score, pairs(split), np.concatenate(earlier), len(could), k)
