"""What the service answers to searches, neighbours, entities, relations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import GraphEmbedding, RelationIndex, SearchIndex, WordVectors
from graphkit.search.text_encoder import SIFEncoder

WORDS = ["the", "king", "queen", "man", "woman", "kingdom", "sea", "fish"]
N, D = len(WORDS), 6


def test_search_is_the_indexs(client: Any, index: SearchIndex):
    answer = client.get("/search", q="king", k=3).json
    expected = index.search("king", 3)
    assert (answer["query"], answer["understood"], answer["mode"]) == ("king", "king", "exact")
    assert (answer["metric"], answer["index"]) == ("cosine", client.get("/health").json["index"])
    for match, mine in zip(answer["matches"], expected, strict=True):
        assert (match["rank"], match["name"], match["title"]) == (mine.rank, mine.name, mine.title)
        assert (match["row"], match["score"]) == (WORDS.index(mine.name), pytest.approx(mine.score))
        year = match["attributes"]["year"]
        assert year is None if mine.name == "queen" else year == WORDS.index(mine.name) + 1
    for query, mode in [("The King", "title"), ("KING", "case-folded"), ("wom", "prefix")]:
        assert client.get("/search", q=query).json["mode"] == mode
    assert client.get("/search", q="king - man + woman").json["mode"] == "analogy"
    found = client.get("/search", q="qeen", fuzzy=1).json
    assert (found["mode"], found["understood"]) == ("fuzzy", "queen")
    some = client.get("/search", q="king", where=["type=word", "year>=5"]).json["matches"]
    assert {match["name"] for match in some} == {"woman", "kingdom", "sea"}


def test_a_batch_is_its_queries_one_by_one(client: Any):
    queries = ["king", "QUEEN", "king - man + woman", "the sea", "fish"] * 5
    batch = client.post("/search", {"queries": queries, "k": 4, "where": ["type=word"]}).json
    assert [answer["query"] for answer in batch["answers"]] == queries
    for query, answer in zip(queries, batch["answers"]):
        assert answer == client.get("/search", q=query, k=4, where="type=word").json
    error = client.post("/search", {"queries": ["king", "xyzzy"]})
    assert (error.status, error.json["error"][:12]) == (404, "queries[1]: ")


def test_what_is_no_name_is_a_text(client: Any, words: WordVectors, index: SearchIndex):
    answer = client.get("/search", q="the king xyzzy", k=3).json
    counts = {}  # these words were not counted by this package's training
    vector = SIFEncoder(words, counts, np.zeros((0, D)), 1e-4).encode(["the king xyzzy"])
    assert (answer["mode"], answer["understood"]) == ("text", None)
    assert [m["name"] for m in answer["matches"]] == [m.name for m in index.search(vector[0], 3)]
    embedded = client.post("/embed", {"texts": ["the king xyzzy", "nothing known"]}).json
    assert embedded["dimension"] == D
    np.testing.assert_allclose(embedded["vectors"], [vector[0], np.zeros(D)], rtol=1e-6)
    assert client.get("/search", q="nothing known").status == 404


def test_texts_need_words(tmp_path: Path, index: SearchIndex, start: Callable[..., Any]):
    index.save(tmp_path / "index")
    client = start(tmp_path / "index")
    assert client.get("/health").json["text"] is False
    for answer in (client.get("/search", q="the sea"), client.post("/embed", {"texts": ["king"]})):
        assert answer.status == 404
    assert "--model" in answer.json["error"]
    assert client.get("/relations").json["relations"] == []
    assert "graphkit embed" in client.get("/relation", head="king", relation="r").json["error"]


def test_neighbors_take_exact_names_or_vectors(client: Any, index: SearchIndex, words: WordVectors):
    assert client.get("/neighbors", name="king", k=2).json == client.get("/search", q="king", k=2).json
    wrong = client.get("/neighbors", name="King")
    assert (wrong.status, "king" in wrong.json["error"]) == (404, True)
    many = client.post("/neighbors", {"names": ["king", "sea"], "k": 2}).json["answers"]
    assert [answer["understood"] for answer in many] == ["king", "sea"]
    answer = client.post("/neighbors", {"vectors": words.matrix[1:3].tolist(), "k": 3}).json["answers"]
    for row, each in zip(words.matrix[1:3], answer):
        assert (each["query"], each["understood"], each["mode"]) == (None, None, "vector")
        assert [m["name"] for m in each["matches"]] == [m.name for m in index.search(row, 3)]


def test_entities_are_suggested_listed_and_named(client: Any):
    found = client.get("/entities", beginning="ki").json["entities"]
    assert found[0] == {"row": 1, "name": "king", "title": "The King"}
    assert [each["name"] for each in found] == ["king", "kingdom"]
    assert [each["row"] for each in client.get("/entities", offset=6, limit=5).json["entities"]] == [6, 7]
    assert client.get("/entities", offset=100).json["entities"] == []
    assert [each["name"] for each in client.get("/entities", rows="3,0").json["entities"]] == ["man", "the"]
    assert len(client.get("/entities", beginning="").json["entities"]) == N
    for fields in ({"rows": "8"}, {"rows": "-1"}, {"rows": "1,,2"}, {"rows": "x"}, {"rows": "1", "offset": 0}):
        assert 400 <= client.get("/entities", **fields).status < 500


def test_gaps_are_no_entities(tmp_path: Path, index: SearchIndex, start: Callable[..., Any]):
    index.remove(["the", "sea"])
    index.save(tmp_path / "index")
    client = start(tmp_path / "index")
    assert [e["row"] for e in client.get("/entities", offset=1, limit=3).json["entities"]] == [2, 3, 4]
    assert client.get("/entities", rows="0").status == 404
    assert client.get("/map").json["rows"] == [1, 2, 3, 4, 5, 7]
    assert {m["name"] for m in client.get("/search", q="king").json["matches"]}.isdisjoint({"the", "sea"})


def test_a_graph_answers_relations_and_tags(graph_folder: Path, start: Callable[..., Any]):
    client, related = start(graph_folder), RelationIndex(GraphEmbedding.load(graph_folder))
    assert client.get("/relations").json["relations"] == [
        {"name": "likes", "head": "user", "tail": "film", "sides": "both"}
    ]
    answer = client.get("/relation", head="u1", relation="likes", k=3).json
    expected = related.search("u1", "likes", k=3)
    assert (answer["head"], answer["relation"], answer["tail"], answer["asked"]) == ("u1", "likes", None, "tail")
    assert [m["name"] for m in answer["matches"]] == [m.name for m in expected]
    assert [m["score"] for m in answer["matches"]] == pytest.approx([m.score for m in expected])
    names = {e["row"]: e["name"] for e in client.get("/entities", offset=0, limit=50).json["entities"]}
    assert [names[m["row"]] for m in answer["matches"]] == [m.name for m in expected]
    assert all(m["attributes"] == {"type": "film"} for m in answer["matches"])
    many = {"asks": [{"head": "u1", "relation": "likes"}, {"relation": "likes", "tail": "f0"}], "k": 3}
    both = client.post("/relation", many).json["answers"]
    assert both == [answer, client.get("/relation", tail="f0", relation="likes", k=3).json]
    known = client.get("/relation", head="u1", relation="likes", k=50).json["matches"]
    fresh = client.get("/relation", head="u1", relation="likes", k=50, new_only=1).json["matches"]
    assert {m["name"] for m in known} - {m["name"] for m in fresh} == {"f3"}
    typed = client.get("/search", q="u1, likes, ?", k=3).json
    assert (typed["mode"], typed["matches"]) == ("relation", answer["matches"])
    assert client.get("/search", q="u1, likes, ?", where="type=film").status == 400
    between = client.get("/relation", head="u1", tail="f3").json
    assert [m["name"] for m in between["matches"]] == ["likes"]
    for fields in ({"relation": "likes"}, {"head": "u1"}, {"head": "f0", "relation": "likes"}):
        assert 400 <= client.get("/relation", **fields).status < 500
    found = client.get("/search", q="space robots", k=2).json
    vector = GraphEmbedding.load(graph_folder).encode([["space", "robots"]])
    assert found["mode"] == "text"
    embedded = client.post("/embed", {"texts": ["space robots"], "kind": "film"}).json["vectors"]
    np.testing.assert_allclose(embedded, vector, rtol=1e-5)
    assert client.post("/embed", {"texts": ["space"], "kind": "user"}).status == 400


def test_vectors_of_a_run_are_served_as_they_are(tmp_path: Path, words: WordVectors, start: Callable[..., Any]):
    words.save(tmp_path / "run" / "vectors")
    client = start(tmp_path / "run")
    health = client.get("/health").json
    assert (health["rows"], health["dimension"], health["text"], health["factory"]) == (N, D, True, "Flat")
    assert client.get("/search", q="the king").json["mode"] == "text"
