"""Link prediction ranked: `graphkit.embedding.evaluation`, of scores that are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphkit.embedding.evaluation import TAILS, Ranking, Ranks, by_relation, rank
from neuralcore.errors import UserError


def test_ranks_by_hand_with_ties_and_filter() -> None:
    scores = torch.tensor([[0.5, 0.9, 0.5, 0.1], [1.0, 1.0, 1.0, 1.0]])
    edges = np.array([[0, 0, 2], [1, 0, 3]])
    known = np.array([[0, 0, 2], [0, 0, 1], [1, 0, 3], [1, 0, 0]])

    def score(given: np.ndarray, relation: np.ndarray, side: int, part: slice) -> torch.Tensor:
        # The tails of entities 0 and 1; the heads are scored so that the true one is alone at the top.
        return (scores[given] if side == TAILS else torch.eye(4)[given - 2])[:, part]

    raw = rank(score, edges, None, 4).rank
    # 0.5 against 0.9, 0.5, 0.1: one better, one equal -> 2.5. All equal: 1 + 3/2.
    assert raw.tolist() == [2.5, 2.5, 1.0, 1.0]
    filtered = rank(score, edges, known, 4)
    assert filtered.rank.tolist() == [1.5, 2.0, 1.0, 1.0]  # entity 1 left out; entity 0 left out
    assert filtered.among.tolist() == [3, 3, 4, 4]
    ranking = Ranking.of(filtered)
    assert ranking.mrr == pytest.approx((1 / 1.5 + 1 / 2 + 1 + 1) / 4)
    assert (ranking.hits_1, ranking.hits_3, ranking.mr, ranking.questions) == (0.5, 1.0, 1.375, 4)
    # Of two others a half is behind, of two again (all three alike) a half, and then all three each time.
    assert ranking.auc == pytest.approx((0.75 + 0.5 + 1 + 1) / 4)
    both = Ranks(np.array([1.0, 3.0, 2.0, 6.0]), np.array([5, 5, 5, 6]))
    rows = by_relation(both, np.array([[0, 1, 2], [0, 0, 2]]), ["a", "b"])
    assert [(row.relation, row.edges, row.tails.mr, row.heads.mr, row.both.mr) for row in rows] == [
        ("a", 1, 3.0, 6.0, 4.5),
        ("b", 1, 1.0, 2.0, 1.5),
    ]
    assert rows[0].heads.auc == 0.0


def test_ranks_a_block_of_entities_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    table = torch.from_numpy(generator.integers(0, 4, (2, 23, 23)).astype(np.float32))  # many ties
    edges = np.stack([generator.integers(23, size=40), np.zeros(40, np.int64), generator.integers(23, size=40)], 1)
    known = np.insert(generator.integers(23, size=(200, 2)), 1, 0, axis=1)

    def score(given: np.ndarray, relation: np.ndarray, side: int, part: slice) -> torch.Tensor:
        return table[side][given][:, part]

    whole = [rank(score, edges, others, 23) for others in (None, known)]
    monkeypatch.setattr("graphkit.embedding.evaluation.SCORES", 30)
    monkeypatch.setattr("graphkit.embedding.evaluation.LEAST", 6)  # by blocks of five entities
    for at_once, others in zip(whole, (None, known)):
        found = rank(score, edges, others, 23)
        assert found.rank.tolist() == at_once.rank.tolist()
        assert found.among.tolist() == at_once.among.tolist()


def test_scores_that_are_no_numbers_earn_nothing() -> None:
    def score(given: np.ndarray, relation: np.ndarray, side: int, part: slice) -> torch.Tensor:
        return torch.tensor([[0.5, float("nan"), float("nan"), 0.1]])[:, part]

    edges = np.array([[3, 0, 0]])
    with pytest.raises(UserError, match="not finite"):
        rank(score, np.array([[0, 0, 1]]), edges, 4)
    # Two scores of NaN are two ties, not two that are beaten: 1 + 2/2, then as the head 1 + 1 + 2/2.
    assert rank(score, edges, edges, 4).rank.tolist() == [2.0, 3.0]
    assert rank(score, edges, np.array([[3, 0, 0], [3, 0, 2], [3, 0, 2]]), 4).rank.tolist() == [1.5, 3.0]
