"""Relation queries: the same answers as the model's own, names understood as elsewhere, and the typed form."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit import Graph, GraphEmbedding
from graphkit.embedding.config import RelationConfig
from graphkit.search.relation_names import Ask, RelationNames, is_typed_ask
from graphkit.search.relations import RelationIndex
from neuralcore.errors import UserError

RELATIONS = ["likes", "/person/person/married_to", "/person/page/wrote"]
SIDES = [("person", "page"), ("person", "person"), ("person", "page")]
PEOPLE, PAGES = 37, 23


def trained(comparator: str = "dot") -> GraphEmbedding:
    """A graph of two types whose relations have operators of their own, trained for a moment."""
    draw = np.random.default_rng(0)
    rows = []
    for relation, (_, tail) in enumerate(SIDES):
        tails = draw.integers(0, PEOPLE, 60) if tail == "person" else PEOPLE + draw.integers(0, PAGES, 60)
        rows.append(np.stack([draw.integers(0, PEOPLE, 60), np.full(60, relation), tails], axis=1))
    names = [f"P{i}" for i in range(PEOPLE)] + [f"W{i}" for i in range(PAGES)]
    titles = ["" if i % 3 else f"Title of {name}" for i, name in enumerate(names)]
    names[3] = names[PEOPLE + 4] = "both"
    graph = Graph.of(
        names, RELATIONS, np.concatenate(rows), titles, types={"person": PEOPLE, "page": PAGES}, sides=list(SIDES)
    )
    operator = "identity" if comparator == "poincare" else "diagonal"
    own = {RELATIONS[0]: RelationConfig(operator="identity" if comparator == "poincare" else "translation")}
    own |= {RELATIONS[2]: RelationConfig(sides="tails")}
    return GraphEmbedding(graph, relations=own, dimension=12, comparator=comparator, operator=operator).fit(2)


@pytest.fixture(scope="module")
def model() -> GraphEmbedding:
    return trained()


@pytest.mark.parametrize("comparator", ["dot", "cos", "l2", "squared_l2", "poincare"])
@pytest.mark.parametrize("new_only", [False, True])
def test_as_the_model_predicts(comparator: str, new_only: bool):
    model = trained(comparator)
    index = RelationIndex(model)
    asks = [Ask(f"P{i}", RELATIONS[i % 3], None) for i in range(4, PEOPLE)]
    asks += [Ask(None, RELATIONS[0], f"W{i}") for i in range(5, PAGES)]
    asks += [Ask(None, RELATIONS[1], f"P{i}") for i in range(5, PEOPLE)]
    for k in (1, 7, 100):
        for ask, found in zip(asks, index.ask(asks, k, new_only=new_only)):
            right = model.predict(**ask._asdict(), k=k, new_only=new_only)
            assert [m.name.removeprefix("person/").removeprefix("page/") for m in found] == [
                name for name, _ in right
            ]
            np.testing.assert_allclose([m.score for m in found], [score for _, score in right], rtol=2e-4, atol=2e-5)
            alone = index.search(*ask, k, new_only=new_only)
            assert [m.name for m in alone] == [m.name for m in found]
            assert comparator == "poincare" or alone == found  # which the model compares, by products of all
            assert [model.graph.entities[row] for row in found.rows] == [name for name, _ in right]
            assert (found.mode, found.metric, found.name) == ("relation", comparator, str(ask))


def test_zero_vectors_under_the_cosine():
    model = trained("cos")
    index = RelationIndex(model)
    model.matrix[5] = 0  # before the index is made: among the candidates, too
    asks = [Ask("P5", RELATIONS[1], None), Ask("P6", RELATIONS[1], None)]
    for found, ask in zip(index.ask(asks, 3), asks):
        right = model.predict(ask.head, ask.relation, k=3)
        assert [m.name for m in found] == [name for name, _ in right]
        np.testing.assert_allclose([m.score for m in found], [score for _, score in right], rtol=1e-5)
    other = RelationIndex(trained("cos"))
    right = other.search("P6", RELATIONS[1], k=4)  # the index is there, and only the question has no direction
    other.embedding.matrix[5] = 0
    found = other.ask(asks, 4)
    assert [m.name for m in found[0]] == ["P0", "P1", "P2", "person/both"]
    assert [m.score for m in found[0]] == [0, 0, 0, 0]
    assert found[1] == right


def test_ties_go_by_number(model):
    index = RelationIndex(trained())
    index.embedding.matrix[:PEOPLE] = index.embedding.matrix[0]
    assert index.search("P7", RELATIONS[1], k=9).rows.tolist() == list(range(9))


def test_names_are_understood(model):
    index = RelationIndex(model)
    found = index.search("title of p6", "married TO", k=3)
    assert found.ask == Ask("P6", RELATIONS[1], None)
    assert found.modes == {"head": "case-folded", "relation": "suffix"}
    assert index.search("both", "likes").ask.head == "person/both"  # the page of that name is no head
    assert index.search("both", "likes") == index.search("person/both", "likes")
    assert index.search("pp6", "likes", fuzzy=True).ask.head == "P6"
    assert index.search("P6", "likse", fuzzy=True).modes == {"head": "exact", "relation": "fuzzy"}
    with pytest.raises(
        UserError, match=r"no name 'W5' among 37.* \(heads of 'likes' are of type person; 'W5' is of "
    ):
        index.search("W5", "likes")
    with pytest.raises(UserError, match=r"no relation 'likse': did you mean 'likes'\?"):
        index.search("P6", "likse")
    with pytest.raises(UserError, match=r"'person' begins 2 relations .'/person/person/married_to', "):
        index.search("P6", "person")
    with pytest.raises(UserError, match="trained to tell its tails alone, not its heads: give a head"):
        index.search(None, "wrote", "W5")
    with pytest.raises(UserError, match=r"here none is missing"):
        index.search("P6", "likes", "W5")
    with pytest.raises(UserError, match=r"here relation and tail are missing"):
        index.search("P6")
    with pytest.raises(UserError, match="k = 0"):
        index.search("P6", "likes", k=0)
    assert [(r.name, r.head, r.tail, r.sides) for r in index.relations] == [
        (name, *pair, sides) for name, pair, sides in zip(RELATIONS, SIDES, ["both", "both", "tails"])
    ]


def test_relations_by_pieces_of_their_names():
    names = RelationNames(["_hypernym", "capital_of", "/a/b/spouse_s./c/d/spouse", "/a/b/capital", "+", "Capital-Of"])
    told = {"_hypernym": "exact", "hypernym": "case-folded", "/A/B/Spouse": "prefix", "c/d/spouse": "suffix"}
    told |= {"spouse_s": "part", "+": "exact", "b capital": "suffix"}
    for query, mode in told.items():
        assert names.understand(query)[1] == mode
    for query, why in {"capital of": "names 2", "a/b": "begins 2", "-": "no relation '-'"}.items():
        with pytest.raises(UserError, match=why):
            names.understand(query)
    assert names.understand("spuose", fuzzy=True) == (2, "fuzzy")  # alike the last piece of the path


def test_which_relation_holds(model):
    index = RelationIndex(model)
    found = index.search("P6", None, "W9")
    edges = np.array([[6, 0, PEOPLE + 9], [6, 2, PEOPLE + 9]])
    scores = model.score_edges(edges)
    assert [m.name for m in found] == [RELATIONS[2 * i] for i in np.argsort(-scores)]
    np.testing.assert_allclose(sorted(m.score for m in found), np.sort(scores), rtol=1e-6)
    assert found.rows.tolist() == [2 * i for i in np.argsort(-scores)]
    head, relation, tail = (int(x) for x in model.graph.train[0])
    pair = index._lookup("").name(head), None, index._lookup("").name(tail)
    assert len(index.search(*pair)) == 2
    assert model.graph.relations[relation] not in [m.name for m in index.search(*pair, new_only=True)]
    with pytest.raises(UserError, match="no relation goes from page to person"):
        index.search("W5", None, "P6")


def test_typed_asks(model):
    index = RelationIndex(model)
    for text in ("p6, MARRIED_TO, ?", "?, likes, w9", "P6, ?, W9", "  P6 ,likes,?  "):
        assert is_typed_ask(text)
    found = index.ask(["p6, MARRIED_TO, ?", Ask("P6", RELATIONS[1], None), "?, likes, w9", "P6, ?, W9"])
    assert found[0] == found[1]
    assert [one.ask.asked for one in found] == ["tail", "tail", "head", "relation"]
    assert found[0].modes == {"head": "case-folded", "relation": "suffix"}
    for text in ("P6", "P6, likes", "?", "?, ?", "a, b, c", "what?, is, this"):
        assert not is_typed_ask(text)
    with pytest.raises(UserError, match="asks for one part"):
        index.ask(["?, likes, ?"])
    with pytest.raises(UserError, match="no name 'P99'"):
        index.ask(["P99, likes, ?"])


def test_names_with_commas():
    names = ["Paris, Texas", "Paris", "Texas, in", "Heat, The", "Heat"]
    edges = np.array([[0, 0, 1], [1, 1, 2], [3, 0, 4]])
    graph = Graph.of(names, ["in", "The, in", "is near, or in"], edges)
    index = RelationIndex(GraphEmbedding(graph, dimension=4).fit(1))
    assert index.ask(["Paris, Texas, in, ?"])[0].ask == Ask("Paris, Texas", "in", None)
    assert index.ask(["?, in, Paris, Texas"])[0].ask == Ask(None, "in", "Paris, Texas")
    assert index.ask(["Paris, is near, or in, ?"])[0].ask == Ask("Paris", "is near, or in", None)
    assert index.ask(["?, in, Texas, in"])[0].ask == Ask(None, "in", "Texas, in")
    with pytest.raises(
        UserError, match=r"can be read in 2 ways, \[Heat\] with \[The, in\] or \[Heat, The\] with \[in\]"
    ):
        index.ask(["Heat, The, in, ?"])
    assert index.search("Heat, The", "in").ask.head == "Heat, The"  # the parts one by one
    with pytest.raises(UserError, match="is not understood, wherever its commas part it"):
        index.ask(["London, Ontario, in, ?"])


def test_an_approximate_index_is_measured_and_tuned():
    draw = np.random.default_rng(0)
    edges = np.stack([draw.integers(0, 900, 3000), draw.integers(0, 3, 3000), draw.integers(0, 900, 3000)], axis=1)
    graph = Graph.of([f"e{i}" for i in range(900)], ["r0", "r1", "r2"], edges)
    model = GraphEmbedding(graph, dimension=16, operator="complex_diagonal").fit(1)
    index = RelationIndex(model, factory="IVF16,Flat", recall=0.97)
    found = index.search("e7", "r1", k=10)
    assert index.recall["entity"] >= 0.97
    assert len({m.name for m in found} & {name for name, _ in model.predict("e7", "r1")}) >= 8
    assert not RelationIndex(model).recall
    with pytest.raises(UserError, match="FAISS refuses factory 'Flatt'"):
        RelationIndex(model, factory="Flatt").search("e7", "r1")
    assert RelationIndex(model, factory="auto").search("e7", "r1", k=3)[0].name == model.predict("e7", "r1")[0][0]
