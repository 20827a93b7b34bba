"""How good rankings of documents are, by judgements: nDCG@10, recall@100, MRR@10; and the fusion of rankings.

    nDCG@k    = Σ_i g_i / log2(i + 1) over the first k, divided by the same sum of the best possible ranking
                (Järvelin & Kekäläinen 2002; the gain is the grade itself, as in trec_eval's ndcg_cut)
    recall@k  = share of the relevant documents that are among the first k
    MRR@k     = 1 / rank of the first relevant document, 0 if it is not among the first k

A document that no one judged counts as grade 0, and so does a grade below 0. Relevant is a grade of 1 or more.
*Ties:* rankings are strict, for the searches here settle equal scores by row number before anything is measured;
trec_eval, given equal scores, takes the document whose name is later in the alphabet first.
*Queries:* those with a relevant document are averaged over; one whose ranking is missing or empty counts as 0.

    RRF(d) = Σ_rankings 1 / (60 + rank of d)        (Cormack, Clarke & Büttcher, SIGIR 2009)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neuralcore.errors import UserError

RRF_K = 60  # the paper's, which says that little depends on it
FIGURES = ("ndcg_10", "recall_100", "mrr_10")

Qrels = Mapping[str, Mapping[str, int]]
"""query -> document -> grade"""


@dataclass(frozen=True)
class RetrievalFigures:
    """Means over the queries, and each query's own.

    Attributes:
        ndcg_10, recall_100, mrr_10: see the file's docstring.
        by_query: query -> (nDCG@10, recall@100, reciprocal rank within 10).
        without_relevant: how many judged queries have no relevant document, and are left out.
    """

    ndcg_10: float
    recall_100: float
    mrr_10: float
    by_query: Mapping[str, tuple[float, float, float]]
    without_relevant: int = 0


def evaluate_rankings(rankings: Mapping[str, Sequence[str]], qrels: Qrels) -> RetrievalFigures:
    """The figures of rankings (query -> names of documents, the best first; 100 are looked at).

    Raises:
        UserError: no judged query has a relevant document, a document is in a ranking twice, or no ranking is of a
            judged query.
    """
    asked = {query: grades for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    if not asked:
        raise UserError(f"of {len(qrels):,} judged queries none has a relevant document (a grade of 1 or more)")
    if not any(query in asked for query in rankings):
        raise UserError(
            f"none of the {len(rankings):,} queries is judged ({next(iter(asked))!r} is): are the ids the same?"
        )
    by_query = {}
    for query, grades in asked.items():
        ranking = rankings.get(query, ())
        if len(set(ranking)) < len(ranking):
            raise UserError(f"query {query!r}: a document is in its ranking twice")
        by_query[query] = (ndcg(ranking, grades), recall(ranking, grades), reciprocal_rank(ranking, grades))
    ndcgs, recalls, reciprocals = (sum(column) / len(by_query) for column in zip(*by_query.values()))
    return RetrievalFigures(ndcgs, recalls, reciprocals, by_query, len(qrels) - len(asked))


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """nDCG@k of one ranking; 0 where nothing is relevant."""

    def discounted(gains: Sequence[int]) -> float:
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], 1))

    best = discounted(sorted((grade for grade in grades.values() if grade > 0), reverse=True))
    return discounted([max(grades.get(name, 0), 0) for name in ranking[:k]]) / best if best else 0.0


def recall(ranking: Sequence[str], grades: Mapping[str, int], k: int = 100) -> float:
    """Share of the relevant documents that are among the first k; 0 where there are none."""
    relevant = {name for name, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """1 / rank of the first relevant document within the first k, or 0."""
    return next((1 / rank for rank, name in enumerate(ranking[:k], 1) if grades.get(name, 0) > 0), 0.0)


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[int]], weights: Sequence[float] | None = None
) -> list[tuple[int, float]]:
    """One ranking out of several: rows and their scores, the best first, equal scores by row.

    Args:
        rankings: rows, the best first; a row that a ranking lacks gets nothing from it.
        weights: of each ranking; None is 1 for all, as in the paper.
    """
    scores: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + weight / (RRF_K + rank)
    return sorted(scores.items(), key=lambda found: (-found[1], found[0]))
