"""Ranking metrics of recommendation, against numbers computed by hand and a plain loop."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.embedding.config import RelationConfig
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.evaluation import by_relation
from graphkit.embedding.recommendation import recommend, recommendation
from graphkit.embedding.trainer import EdgeTrainer
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError


def test_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5]])
    seen = np.array([[0, 0], [1, 4]])
    held_out = np.array([[0, 1], [0, 3], [0, 3], [1, 0]])  # a pair that is there twice counts once
    found = recommendation(lambda users: scores[users], held_out, seen, 5, k=2)
    # User 0 is shown 1, 2 (0 was seen): one hit, first. User 1 is shown 3, 2: none.
    assert found.recall == pytest.approx((1 / 2 + 0) / 2)
    assert found.precision == pytest.approx((1 / 2 + 0) / 2)
    assert found.ndcg == pytest.approx((1 / (1 + 1 / math.log2(3)) + 0) / 2)
    assert (found.k, found.users) == (2, 2)
    third = recommendation(lambda users: scores[users], held_out, seen, 5, k=3)
    # User 0: 1, 2, 3, hits at places 1 and 3 of at most 2 possible. User 1: 3, 2, 1.
    assert third.recall == pytest.approx((2 / 2 + 0) / 2)
    assert third.precision == pytest.approx((2 / 3 + 0) / 2)
    assert third.ndcg == pytest.approx(((1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3)) + 0) / 2)
    # A user with more held-out items than are shown can still be perfect.
    one = recommendation(lambda users: scores[users], held_out, seen, 5, k=1)
    assert (one.recall, one.precision, one.ndcg) == (0.5, 0.5, 0.5)


def test_against_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphkit.embedding.recommendation.CHUNK_BYTES", 4 * 30 * 7)  # seven users at a time
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 6, (20, 30)).astype(float)  # with ties
    pairs = np.unique(np.stack([generator.integers(0, 20, 200), generator.integers(0, 30, 200)], 1), axis=0)
    order = generator.permutation(len(pairs))
    held_out, seen = pairs[order[:60]], pairs[order[60:]]
    k, rows = 5, []
    for user in sorted(set(held_out[:, 0].tolist())):
        wanted = set(held_out[held_out[:, 0] == user, 1].tolist())
        had = set(seen[seen[:, 0] == user, 1].tolist())
        shown = sorted((i for i in range(30) if i not in had), key=lambda i: (-scores[user, i], i))[:k]
        hits = [item in wanted for item in shown]
        gain = sum(hit / math.log2(place + 2) for place, hit in enumerate(hits))
        best = sum(1 / math.log2(place + 2) for place in range(min(k, len(wanted))))
        rows.append((sum(hits) / min(k, len(wanted)), sum(hits) / k, gain / best))
    found = recommendation(lambda users: scores[users], held_out, seen, 30, k)
    np.testing.assert_allclose((found.recall, found.precision, found.ndcg), np.mean(rows, axis=0))
    assert found.users == len(rows)


def test_mistakes_are_told() -> None:
    pair, other, none = np.array([[0, 0]]), np.array([[0, 1]]), np.zeros((0, 2), np.int64)
    flat = lambda users: np.zeros((len(users), 3))  # noqa: E731
    for arguments, message in [
        ((flat, pair, other, 3, 4), "k is 4: recommend 1 to 3"),
        ((flat, none, other, 3, 2), "no item is held out"),
        ((flat, pair, pair, 3, 2), "item 0 of user 0 is held out and seen"),
        ((lambda users: flat(users) * np.nan, pair, other, 3, 2), "a score is NaN"),
    ]:
        with pytest.raises(UserError, match=message):
            recommendation(*arguments)  # type: ignore[arg-type]


def test_a_planted_taste_is_found() -> None:
    """Two groups of users and of films: each user likes eight of the ten films of his group."""
    generator = np.random.default_rng(0)
    rows = [(user, 0, 20 + 10 * (user % 2) + film) for user in range(20) for film in generator.permutation(10)[:8]]
    edges = generator.permutation(np.array(rows))
    names = [f"u{i}" for i in range(20)] + [f"f{i}" for i in range(20)]
    splits = {"train": edges[40:], "valid": edges[20:40], "test": edges[:20]}
    graph = Graph.of(names, ["likes"], splits, types={"user": 20, "film": 20}, sides=[("user", "film")])
    embedding = GraphEmbedding(graph, dimension=8, operator="identity", all_negatives=True, epochs=30).fit()
    found = recommend(embedding, "likes", k=5)
    assert found.recall > 0.8  # about .4 where groups are not told apart
    assert recommend(embedding, "likes", "valid", k=5) != found
    with pytest.raises(UserError, match="no relation 'like'"):
        recommend(embedding, "like")
    with pytest.raises(UserError, match="'train' is no held-out split"):
        recommend(embedding, "likes", "train")


def likes(sides: str, **settings: Any) -> GraphEmbedding:
    """Six users who like the films of their own half, the last edge held out; and who of them know each other."""
    pairs = np.array([(user, film) for user in range(6) for film in range(8) if film // 4 == user // 3])
    edges = np.stack([pairs[:, 0], np.zeros(len(pairs), int), pairs[:, 1] + 6], axis=1)
    friends = np.array([[0, 1, 1], [1, 1, 2], [3, 1, 4]])
    names = [*(f"u{i}" for i in range(6)), *(f"f{i}" for i in range(8))]
    graph = Graph.of(
        names,
        ["likes", "knows"],
        {"train": np.concatenate([edges[:-1], friends]), "test": np.concatenate([edges[-1:], friends[:1]])},
        types={"user": 6, "film": 8},
        sides=[("user", "film"), ("user", "user")],
    )
    relations = {"likes": RelationConfig("user", "film", sides=sides)}  # type: ignore[arg-type]
    return GraphEmbedding(graph, dimension=8, batch_size=4, relations=relations, seed=1, **settings)


@pytest.mark.parametrize("settings", [{"negatives": 5}, {"all_negatives": True}])
@pytest.mark.parametrize(("sides", "asked"), [("both", (0, 1)), ("tails", (0,)), ("heads", (1,))])
def test_a_side_that_is_not_asked(settings: dict[str, Any], sides: str, asked: tuple[int, ...]) -> None:
    embedding = likes(sides, learning_rate=0.3, **settings)
    before = EdgeTrainer(embedding.graph, embedding.config, 1, None, embedding.relations).tables
    embedding.fit(30)
    table = embedding.tables["complex_diagonal"].weight
    moved = (table != before["complex_diagonal"].weight).any(axis=1)
    assert moved.tolist() == [0 in asked, True, 1 in asked, True]  # likes, knows; then the same for heads
    ranks = embedding.ranks()  # likes' tail, knows' tail; likes' head, knows' head
    assert np.isnan(ranks.rank).tolist() == [0 not in asked, False, 1 not in asked, False]
    assert embedding.evaluate().questions == 2 + len(asked)
    assert np.isfinite(embedding.evaluate().mrr)
    both = {row.relation: row for row in by_relation(ranks, embedding.graph.edges["test"], ["likes", "knows"])}
    assert (both["likes"].tails.questions, both["likes"].heads.questions) == (0 in asked, 1 in asked)
    edge = embedding.graph.edges["test"][:1]
    each = [
        float(embedding.score(edge[:, given], edge[:, 1], side)[0][int(edge[0, answer]) - first])
        for side, given, answer, first in ((0, 0, 2, 6), (1, 2, 0, 0))
    ]
    assert embedding.score_edges(edge)[0] == pytest.approx(np.mean([each[side] for side in asked]), rel=1e-5)
    questions: list[dict[str, Any]] = [{"head": "u5"}, {"tail": "f7"}]
    for side, question in enumerate(questions):
        if side in asked:
            assert len(embedding.predict(relation="likes", **question)) in (6, 8)
        else:
            with pytest.raises(UserError, match=f"trained with sides = '{sides}'"):
                embedding.predict(relation="likes", **question)
    if sides == "heads":
        with pytest.raises(UserError, match="recommending asks for its tails"):
            recommend(embedding, "likes", k=3)


def test_sides_belong_to_a_run_and_are_saved(tmp_path: Path) -> None:
    one, both = likes("tails", epochs=1), likes("both", epochs=1)
    one.fit(folder=tmp_path / "run").save(tmp_path / "v")
    assert not GraphEmbedding.load(tmp_path / "v").asks(0, 1)
    with pytest.raises(UserError, match="was learned from other edges"):
        both.fit(2, folder=tmp_path / "run")
