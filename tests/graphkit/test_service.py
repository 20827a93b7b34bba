"""The HTTP service, called as ASGI in this process: what it answers, what it refuses, and what it never mixes."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.applications import Starlette

from graphkit import Bags, Features, Graph, GraphEmbedding, RelationIndex, SearchIndex, WordVectors
from graphkit.cli import main
from graphkit.search.text_encoder import SIFEncoder
from graphkit.serve import command as serve_command
from graphkit.serve import gate, wire, workers
from graphkit.serve.metrics import Metrics
from graphkit.serve.openapi import page_of, specification
from graphkit.serve.service import application
from graphkit.serve.serving import Serving, load
from graphkit.tsne import principal_components
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError

TOKEN = "a-token-of-the-tests"
WORDS = ["the", "king", "queen", "man", "woman", "kingdom", "sea", "fish"]
N, D = len(WORDS), 6


@dataclass
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Calls an ASGI application, all in one event loop."""

    def __init__(self, app: Starlette, runner: asyncio.Runner):
        self.app, self.runner = app, runner

    def get(self, path: str, headers: dict[str, str] | None = None, **fields: Any) -> Answered:
        return self.ask("GET", path, urlencode(fields, doseq=True), headers)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answered:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        return self.ask("POST", path, "", more, [data])

    def ask(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        parts: list[bytes] | None = None,
        hangs: bool = False,
    ) -> Answered:
        """One request; `parts` of a body come one by one, and `hangs` then waits for ever for more."""
        given = {"host": "localhost:80", "authorization": f"Bearer {TOKEN}", **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items() if v],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        left, sent = list(parts or [b""]), []

        async def receive() -> dict[str, Any]:
            if not left:
                await asyncio.sleep(60)
            part = left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left) or hangs}

        async def send(message: Any) -> None:
            sent.append(message)

        self.runner.run(self.app(scope, receive, send))  # type: ignore[arg-type]
        head = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Answered(sent[0]["status"], head, b"".join(m.get("body", b"") for m in sent[1:]))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def words() -> WordVectors:
    matrix = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
    return WordVectors(Vocabulary(WORDS, range(N, 0, -1)), matrix)


@pytest.fixture
def index(words: WordVectors) -> SearchIndex:
    attributes = {"type": ["word"] * 7 + ["animal"], "year": [1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0]}
    return SearchIndex.build(words.matrix, WORDS, titles=["", "The King", *[""] * 6], attributes=attributes)


@pytest.fixture
def start(runner: asyncio.Runner) -> Callable[..., Client]:
    """Serve a folder to a client."""

    def make(folder: Path, model: Path | None = None, **settings: Any) -> Client:
        metrics = Metrics()
        serving = Serving(folder, model, metrics=metrics)
        client = Client(application(serving, metrics, **{"token": TOKEN, **settings}), runner)
        client.serving, client.metrics = serving, metrics  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
def client(tmp_path: Path, words: WordVectors, index: SearchIndex, start: Callable[..., Client]) -> Client:
    """An index with the word vectors it is of."""
    words.save(tmp_path / "words")
    index.save(tmp_path / "index")
    return start(tmp_path / "index", tmp_path / "words")


@pytest.fixture
def graph_folder(tmp_path: Path) -> Path:
    """A graph of users and films, of which the films have tags."""
    rows = [f"u{i}\tlikes\tf{(3 * i) % 5}\n" for i in range(8)]
    (tmp_path / "edges.tsv").write_text("".join(rows))
    graph = Graph.read(tmp_path / "edges.tsv", sides={"likes": ("user", "film")})
    names = graph.entities[graph.rows_of("film").start : graph.rows_of("film").stop]
    tags = Bags.of([["space", "robots"] if i % 2 else ["love"] for i in range(len(names))])
    made = GraphEmbedding(graph, operator="diagonal", dimension=4, features={"film": Features(tags)}).fit(2)
    return made.save(tmp_path / "graph")


# ---- who may ask


def test_all_but_health_and_the_page_need_the_token(client: Client):
    none = {"authorization": ""}
    assert client.get("/health", none).json["status"] == "ok"
    for path, methods in specification()["paths"].items():
        for method in methods:
            if path not in ("/health", "/"):
                answer = client.ask(method.upper(), path, "", none)
                assert (answer.status, "token" in answer.json["error"]) == (401, True), path
    assert client.get("/static/docs.css", none).status == client.get("/", none).status == 200  # nothing of the index
    for wrong in ("Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xff"):
        assert client.get("/search", {"authorization": wrong}, q="king").status == 401
    assert client.get("/search", {**none, "cookie": f"graphkit={TOKEN}"}, q="king").status == 200
    assert client.get("/search", {**none, "cookie": "graphkit=other; a"}, q="king").status == 401


def test_the_page_takes_the_token_from_its_address_and_keeps_it(client: Client):
    none = {"authorization": ""}
    answer = client.get("/", none, token=TOKEN)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"graphkit={TOKEN};")
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    page = client.get("/", {**none, "cookie": f"graphkit={TOKEN}"})
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert client.get("/", none, token="another-token").status == 401
    assert client.get("/search", none, token=TOKEN, q="king").status == 401  # in the page's address alone


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "LOCALHOST:1"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "localhost@evil.example"}, 403),
        ({"host": "192.168.0.7:80"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://localhost:80"}, 200),
        ({"origin": "http://localhost:81"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_foreign_hosts_and_origins_are_refused(client: Client, headers: dict[str, str], status: int):
    assert client.get("/health", headers).status == status
    assert client.get("/search", headers, q="king").status == status


def test_other_names_have_to_be_allowed(tmp_path: Path, index: SearchIndex, start: Callable[..., Client]):
    index.save(tmp_path / "index")
    client = start(tmp_path / "index", hosts=["Search.example"], addresses=True)
    assert client.get("/health", {"host": "search.EXAMPLE:8000"}).status == 200
    assert client.get("/health", {"host": "192.168.0.7:8000"}).status == 200  # no name, so nobody's to point here
    assert client.get("/health", {"host": "evil.example"}).status == 403
    free = start(tmp_path / "index", token=None)
    assert free.get("/search", {"authorization": ""}, q="king").status == 200


def test_answers_carry_the_headers_that_browsers_heed(client: Client):
    for path in ("/", "/docs", "/health", "/nowhere", "/static/docs.css"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert client.get("/static/docs.css").headers["content-type"] == "text/css; charset=utf-8"
    for path in ("/static/../service.py", "/static/..%2fservice.py", "/static//etc/passwd", "/static/none.js"):
        assert client.get(path).status == 404


# ---- what is answered


def test_search_is_the_indexs(client: Client, index: SearchIndex):
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


def test_a_batch_is_its_queries_one_by_one(client: Client):
    queries = ["king", "QUEEN", "king - man + woman", "the sea", "fish"] * 5
    batch = client.post("/search", {"queries": queries, "k": 4, "where": ["type=word"]}).json
    assert [answer["query"] for answer in batch["answers"]] == queries
    for query, answer in zip(queries, batch["answers"]):
        assert answer == client.get("/search", q=query, k=4, where="type=word").json
    error = client.post("/search", {"queries": ["king", "xyzzy"]})
    assert (error.status, error.json["error"][:12]) == (404, "queries[1]: ")


def test_what_is_no_name_is_a_text(client: Client, words: WordVectors, index: SearchIndex):
    answer = client.get("/search", q="the king xyzzy", k=3).json
    counts = {}  # these words were not counted by this package's training
    vector = SIFEncoder(words, counts, np.zeros((0, D)), 1e-4).encode(["the king xyzzy"])
    assert (answer["mode"], answer["understood"]) == ("text", None)
    assert [m["name"] for m in answer["matches"]] == [m.name for m in index.search(vector[0], 3)]
    embedded = client.post("/embed", {"texts": ["the king xyzzy", "nothing known"]}).json
    assert embedded["dimension"] == D
    np.testing.assert_allclose(embedded["vectors"], [vector[0], np.zeros(D)], rtol=1e-6)
    assert client.get("/search", q="nothing known").status == 404


def test_texts_need_words(tmp_path: Path, index: SearchIndex, start: Callable[..., Client]):
    index.save(tmp_path / "index")
    client = start(tmp_path / "index")
    assert client.get("/health").json["text"] is False
    for answer in (client.get("/search", q="the sea"), client.post("/embed", {"texts": ["king"]})):
        assert answer.status == 404
    assert "--model" in answer.json["error"]
    assert client.get("/relations").json["relations"] == []
    assert "graphkit embed" in client.get("/relation", head="king", relation="r").json["error"]


def test_neighbors_take_exact_names_or_vectors(client: Client, index: SearchIndex, words: WordVectors):
    assert client.get("/neighbors", name="king", k=2).json == client.get("/search", q="king", k=2).json
    wrong = client.get("/neighbors", name="King")
    assert (wrong.status, "king" in wrong.json["error"]) == (404, True)
    many = client.post("/neighbors", {"names": ["king", "sea"], "k": 2}).json["answers"]
    assert [answer["understood"] for answer in many] == ["king", "sea"]
    answer = client.post("/neighbors", {"vectors": words.matrix[1:3].tolist(), "k": 3}).json["answers"]
    for row, each in zip(words.matrix[1:3], answer):
        assert (each["query"], each["understood"], each["mode"]) == (None, None, "vector")
        assert [m["name"] for m in each["matches"]] == [m.name for m in index.search(row, 3)]


def test_entities_are_suggested_listed_and_named(client: Client):
    found = client.get("/entities", beginning="ki").json["entities"]
    assert found[0] == {"row": 1, "name": "king", "title": "The King"}
    assert [each["name"] for each in found] == ["king", "kingdom"]
    assert [each["row"] for each in client.get("/entities", offset=6, limit=5).json["entities"]] == [6, 7]
    assert client.get("/entities", offset=100).json["entities"] == []
    assert [each["name"] for each in client.get("/entities", rows="3,0").json["entities"]] == ["man", "the"]
    assert len(client.get("/entities", beginning="").json["entities"]) == N
    for fields in ({"rows": "8"}, {"rows": "-1"}, {"rows": "1,,2"}, {"rows": "x"}, {"rows": "1", "offset": 0}):
        assert 400 <= client.get("/entities", **fields).status < 500


def test_gaps_are_no_entities(tmp_path: Path, index: SearchIndex, start: Callable[..., Client]):
    index.remove(["the", "sea"])
    index.save(tmp_path / "index")
    client = start(tmp_path / "index")
    assert [e["row"] for e in client.get("/entities", offset=1, limit=3).json["entities"]] == [2, 3, 4]
    assert client.get("/entities", rows="0").status == 404
    assert client.get("/map").json["rows"] == [1, 2, 3, 4, 5, 7]
    assert {m["name"] for m in client.get("/search", q="king").json["matches"]}.isdisjoint({"the", "sea"})


def test_the_map_is_the_principal_plane(client: Client, index: SearchIndex):
    drawn = client.get("/map").json
    points = np.frombuffer(base64.b64decode(drawn["points"]), "<f4").reshape(-1, 2)
    rows = index.faiss.reconstruct_n(0, N).astype(np.float64)
    expected, _ = principal_components(rows)
    expected /= np.abs(expected).max()
    signs = np.sign((points * expected).sum(axis=0))
    np.testing.assert_allclose(points, expected * signs, atol=1e-5)
    kinds = np.frombuffer(base64.b64decode(drawn["kind"]), np.uint8)
    assert [drawn["kinds"][kind] for kind in kinds] == ["word"] * 7 + ["animal"]
    assert (drawn["method"], drawn["rows"]) == ("pca", list(range(N)))
    assert client.get("/map").json == drawn


def test_a_graph_answers_relations_and_tags(graph_folder: Path, start: Callable[..., Client]):
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


def test_vectors_of_a_run_are_served_as_they_are(tmp_path: Path, words: WordVectors, start: Callable[..., Client]):
    words.save(tmp_path / "run" / "vectors")
    client = start(tmp_path / "run")
    health = client.get("/health").json
    assert (health["rows"], health["dimension"], health["text"], health["factory"]) == (N, D, True, "Flat")
    assert client.get("/search", q="the king").json["mode"] == "text"


# ---- what is refused


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/search", {}),
        ("/search", {"q": ""}),
        ("/search", {"q": "king", "k": 0}),
        ("/search", {"q": "king", "k": 1_000_000_000}),
        ("/search", {"q": "king", "k": "1e3"}),
        ("/search", {"q": "king", "k": "٣"}),
        ("/search", {"q": "king", "k": "9" * 5000}),
        ("/search", {"q": "king", "kk": 1}),
        ("/search", {"q": ["king", "queen"]}),
        ("/search", {"q": "k" * (wire.QUERY + 1)}),
        ("/search", {"q": "king", "fuzzy": "yes"}),
        ("/search", {"q": "king", "where": "year"}),
        ("/search", {"q": "king", "where": "colour=red"}),
        ("/search", {"q": "king", "where": ["year>1"] * (wire.CONDITIONS + 1)}),
        ("/search", {"q": "king", "where": "year=nan"}),
        ("/neighbors", {"q": "king"}),
        ("/entities", {"limit": wire.LISTED + 1}),
        ("/map", {"x": 1}),
        ("/nowhere", {}),
        ("/embed", {}),
    ],
)
def test_bad_fields_get_a_line(client: Client, path: str, fields: dict[str, Any]):
    answer = client.get(path, **fields)
    assert 400 <= answer.status < 500
    assert list(answer.json) == ["error"]
    assert 5 < len(answer.json["error"]) < 400
    assert "\n" not in answer.json["error"]


def test_a_query_string_is_utf8(client: Client):
    assert client.ask("GET", "/search", "q=%ff").status == 400
    assert client.ask("GET", "/search", "q=%ED%A0%80").status == 400  # half of a surrogate pair
    assert client.ask("GET", "/search", "&".join(f"a{i}=1" for i in range(100))).status == 400


HUGE = "9" * 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/search", b""),
        ("/search", b"{"),
        ("/search", b"[]"),
        ("/search", b"\xff"),
        ("/search", b'{"queries": ["king"], "k": NaN}'),
        ("/search", b'{"queries": ["king"], "k": 1e1}'),
        ("/search", b'{"queries": ["king"], "k": true}'),
        ("/search", b'{"queries": ["king"], "k": ' + b"9" * 6000 + b"}"),
        ("/search", b'{"queries": ["\\ud800"]}'),
        ("/search", b'{"queries": ["king"], "fuzzy": 1}'),
        ("/search", b'{"queries": ["king"], "K": 1}'),
        ("/search", b'{"queries": "king"}'),
        ("/search", b'{"queries": []}'),
        ("/search", b'{"queries": [1]}'),
        ("/search", json.dumps({"queries": ["king"] * (wire.BATCH + 1)}).encode()),
        ("/search", json.dumps({"queries": ["king"] * 100, "k": 1000}).encode()),
        ("/search", b"[" * 100_000),
        ("/search", b'{"queries": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("/search", b'{"a":' * 50_000),
        ("/neighbors", b"{}"),
        ("/neighbors", b'{"names": ["king"], "vectors": [[1, 2, 3, 4, 5, 6]]}'),
        ("/neighbors", b'{"vectors": [[1, 2]]}'),
        ("/neighbors", b'{"vectors": [1, 2, 3, 4, 5, 6]}'),
        ("/neighbors", b'{"vectors": [[1, 2, 3, 4, 5, "6"]]}'),
        ("/neighbors", b'{"vectors": [[1, 2, 3, 4, 5, true]]}'),
        ("/neighbors", b'{"vectors": [[1, 2, 3, 4, 5, 1e999]]}'),
        ("/neighbors", b'{"vectors": [[1, 2, 3, 4, 5, -Infinity]]}'),
        ("/neighbors", f'{{"vectors": [[1, 2, 3, 4, 5, {HUGE}]]}}'.encode()),
        ("/neighbors", b'{"vectors": [[1, 2, 3, 4, 5, 1e300]]}'),
        ("/neighbors", b'{"vectors": [[0, 0, 0, 0, 0, 0]]}'),
        ("/relation", b'{"asks": [1]}'),
        ("/relation", b'{"asks": [{"head": "king"}]}'),
        ("/embed", json.dumps({"texts": ["a" * (wire.TEXT + 1)]}).encode()),
        ("/embed", b'{"texts": ["king"], "kind": "film"}'),
        ("/health", b"{}"),
    ],
)
def test_bad_bodies_get_a_line(client: Client, path: str, body: bytes):
    answer = client.post(path, body)
    assert 400 <= answer.status < 500
    assert list(answer.json) == ["error"]
    assert 5 < len(answer.json["error"]) < 400


def test_names_may_hold_brackets(client: Client):
    answer = client.post("/search", {"queries": ['[[[[[[[[[[[[[[[[[[[[[[[["[', "king"]})
    assert (answer.status, "brackets" in answer.json["error"]) == (404, False)


def test_bodies_are_json_of_a_limited_size_that_comes_at_a_pace(client: Client, monkeypatch: pytest.MonkeyPatch):
    kind = {"content-type": "application/json"}
    too_long = client.ask("POST", "/search", "", {**kind, "content-length": str(10**9)}, hangs=True)
    assert (too_long.status, "1,048,576" in too_long.json["error"]) == (413, True)
    chunked = {**kind, "transfer-encoding": "chunked"}
    assert client.ask("POST", "/search", "", chunked, [b"[" * 65_536] * 17).status == 413
    assert client.post("/search", {"queries": ["king"]}, {"content-type": "text/plain"}).status == 415
    assert client.ask("POST", "/search", "", kind | {"content-length": "0"}).status == 400
    monkeypatch.setattr(gate, "PATIENCE", 0.05)
    assert client.ask("POST", "/search", "", chunked, [b'{"queries"'], hangs=True).status == 408


def test_too_much_at_once_is_told(client: Client, monkeypatch: pytest.MonkeyPatch):
    service = client.app.state.service
    places = service.workers._places
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    assert taken == 2 + workers.WAITING
    busy = client.get("/search", q="king")
    assert (busy.status, busy.headers["retry-after"]) == (503, "1")
    for _ in range(taken):
        places.release()
    assert client.get("/search", q="king").status == 200
    monkeypatch.setattr(workers, "SECONDS", 0.0)
    assert client.get("/search", q="king").status == 503


def test_our_own_errors_are_no_pages_of_code(client: Client, monkeypatch: pytest.MonkeyPatch):
    def broken(self: Any, *rest: Any) -> Any:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("graphkit.serve.served.Served.search", broken)
    with pytest.raises(ZeroDivisionError):  # for the log
        client.get("/search", q="king")
    assert 'status="500"' in client.get("/metrics").body.decode()


# ---- what is told about it


def test_openapi_is_what_is_served(client: Client):
    document = client.get("/openapi.json").json
    assert document == specification()
    routes = {
        (route.path, method)
        for route in client.app.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    told = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert told == routes
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            fields = [parameter["name"] for parameter in operation.get("parameters", [])]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            for each in body.get("oneOf", [body] if body else []):
                fields += each["properties"]
            source = client.get(path, unknown=1) if method == "get" else client.post(path, {"unknown": 1})
            if known := re.search(r"known: (.*)", source.json["error"] if source.status == 400 else ""):
                assert sorted(set(fields)) == [name for name in known[1].split(", ") if name], (path, method)
            else:
                assert not fields, (path, method)
    for name, fields in (("Answer", {"q": "king"}), ("Match", {})):
        answer = client.get("/search", q="king", **{k: v for k, v in fields.items() if k != "q"}).json
        given = answer if name == "Answer" else answer["matches"][0]
        assert sorted(given) == sorted(schemas[name]["required"])
    page = client.get("/docs").body.decode()
    assert page == page_of(document)
    assert not re.search(r"(src|href)=\"(?!/)", page)  # nothing from elsewhere


def test_metrics_are_prometheus(client: Client):
    client.get("/search", q="king")
    client.get("/search", q="king", k=0)
    client.get("/anything/else")
    text = client.get("/metrics").body.decode()
    assert text.endswith("\n")
    line = re.compile(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.e+-]+')
    assert all(each.startswith("#") or line.fullmatch(each) for each in text.splitlines())
    assert 'graphkit_requests_total{route="/search",status="200"} 1' in text
    assert 'graphkit_requests_total{route="/search",status="400"} 1' in text
    assert 'graphkit_requests_total{route="other",status="404"} 1' in text
    assert 'graphkit_request_seconds_bucket{route="/search",le="+Inf"} 2' in text
    assert f"graphkit_index_rows {N}" in text


# ---- one index after another


def test_a_new_index_is_taken_whole_and_a_bad_one_is_not(
    client: Client, tmp_path: Path, words: WordVectors, index: SearchIndex
):
    serving, folder = client.serving, tmp_path / "index"  # type: ignore[attr-defined]
    old = serving.now
    before = client.get("/search", q="king").json
    index.save(folder)  # the same again
    serving.look()
    assert serving.now is old
    other = SearchIndex.build(words.matrix[:6] * -1, WORDS[:6])
    other.save(folder)  # whose vectors are not the model's
    with pytest.raises(UserError, match="another vector"):
        serving.look()
    assert client.get("/search", q="king").json == before
    serving.look()  # refused once, not each second
    (wrong,) = folder.glob("*.faiss")
    SearchIndex.build(words.matrix[:6], WORDS[:6]).save(folder)
    assert not wrong.exists()
    assert client.get("/search", q="king").json == before  # its files are gone, and still mapped
    assert client.post("/reload", b"").status in (200, 415)
    serving.look()
    after = client.get("/search", q="king").json
    assert after["index"] != before["index"]
    assert len(after["matches"]) == 5
    data = bytearray((folder / "manifest.json").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(UserError):
        serving.look()
    assert client.get("/search", q="king").json == after
    text = client.get("/metrics").body.decode()
    assert "graphkit_swaps_total 1" in text
    assert "graphkit_refused_indexes_total 2" in text


def test_an_answer_keeps_to_the_index_it_began_with(client: Client, monkeypatch: pytest.MonkeyPatch):
    """The exchange comes while an answer is computed."""
    serving = client.serving  # type: ignore[attr-defined]
    old, search = serving.now, type(serving.now).search
    new = load(serving._folder, serving._model, "another version")

    def exchanged(self: Any, *rest: Any) -> Any:
        serving.now = new
        return search(self, *rest)

    monkeypatch.setattr("graphkit.serve.served.Served.search", exchanged)
    answer = client.post("/search", {"queries": ["king"] * 40}).json
    assert {answer["index"], *(each["index"] for each in answer["answers"])} == {old.version}
    assert client.get("/search", q="king").json["index"] == "another version"


def test_what_is_written_while_it_is_loaded_is_loaded_again(
    client: Client, tmp_path: Path, words: WordVectors, monkeypatch: pytest.MonkeyPatch
):
    """A builder is quicker, so the files of the manifest that was read are gone."""
    serving, folder, loads = client.serving, tmp_path / "index", []  # type: ignore[attr-defined]
    old = serving.now

    def late(*rest: Any) -> Any:
        loads.append(len(loads))
        if len(loads) in quicker:
            SearchIndex.build(words.matrix, WORDS, attributes={"number": [len(loads)] * N}).save(folder)
            raise UserError("a file is missing")
        return load(*rest)

    monkeypatch.setattr("graphkit.serve.serving.load", late)
    quicker = range(1, 100)
    SearchIndex.build(words.matrix, WORDS).save(folder)
    serving.look()
    assert (serving.now, len(loads)) == (old, 5)
    quicker = range(6, 8)
    serving.look()
    assert len(loads) == 8
    assert serving.now.index.attributes["number"].at(0) == 7
    assert "graphkit_refused_indexes_total 0" in client.get("/metrics").body.decode()


def test_models_have_to_fit(tmp_path: Path, words: WordVectors, index: SearchIndex):
    index.save(tmp_path / "index")
    words.save(tmp_path / "words")
    with pytest.raises(UserError, match="leave --model out"):
        Serving(tmp_path / "words", tmp_path / "words")
    with pytest.raises(UserError, match="not a model"):
        Serving(tmp_path / "index", tmp_path / "index")
    narrow = WordVectors(words.vocabulary, words.matrix[:, :4].copy())
    narrow.save(tmp_path / "narrow")
    with pytest.raises(UserError, match="of 4 numbers"):
        Serving(tmp_path / "index", tmp_path / "narrow")
    WordVectors(Vocabulary([f"x{i}" for i in range(N)], range(N, 0, -1)), words.matrix).save(tmp_path / "others")
    with pytest.raises(UserError, match="no names in common"):
        Serving(tmp_path / "index", tmp_path / "others")


@pytest.mark.parametrize(
    ("words_typed", "told"),
    [
        (["{folder}", "--host", "0.0.0.0", "--without-token"], "--without-token"),
        (["{folder}", "--host", "no.such.host.invalid"], "cannot be listened at"),
        (["{folder}", "--port", "70000"], "65535"),
        (["{folder}x"], "no folder"),
        (["{folder}", "--metric", "l2"], "cosine"),
    ],
)
def test_the_command_refuses(
    tmp_path: Path,
    index: SearchIndex,
    words_typed: list[str],
    told: str,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("GRAPHKIT_TOKEN", raising=False)
    index.save(tmp_path / "index")
    arguments = [word.format(folder=tmp_path / "index") for word in words_typed]
    if "--port" not in arguments:
        arguments += ["--port", "0"]
    assert main(["serve", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_simple_token_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRAPHKIT_TOKEN", "secret")
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    assert "GRAPHKIT_TOKEN" in capsys.readouterr().err


def test_a_missing_extra_is_named(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve_command, "installed", lambda name: name != "uvicorn")
    assert main(["serve", str(tmp_path)]) == 2
    assert "pip install 'rlgraphkit[serve]'" in capsys.readouterr().err
