"""A service called as ASGI in this process, over an index of eight words or a small graph."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.applications import Starlette

from graphkit import Bags, Features, Graph, GraphEmbedding, SearchIndex, WordVectors
from graphkit.serve.metrics import Metrics
from graphkit.serve.service import application
from graphkit.serve.serving import Serving
from graphkit.words.vocabulary import Vocabulary

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
