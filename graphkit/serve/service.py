"""The HTTP service over one index: what is asked, who computes it, and what is answered.

    GET /search?q=king&k=5                          POST /search    {"queries": ["king", "queen"], "k": 5}
    GET /neighbors?name=king                        POST /neighbors {"names": [...]} or {"vectors": [[...]]}
    GET /relation?head=berlin&relation=capital_of   POST /relation  {"asks": [{"head": ..., "relation": ...}]}
    GET /relations /entities /map /health /metrics /openapi.json /docs / /static
                                                    POST /embed     {"texts": [...]}      POST /reload

A request passes the gate (`graphkit.serve.gate`: host, origin, size, token), its fields are read strictly
(`graphkit.serve.wire`), and it takes `serving.now` once: everything in its answer is of that one index, whose
version the answer carries, whatever is exchanged meanwhile. Names, FAISS and relations are worked on by a few threads
(`graphkit.serve.workers`), so that the loop that reads and writes sockets never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from graphkit.search.relation_names import Ask
from graphkit.serve.gate import Gate
from graphkit.serve.map import layout, methods
from graphkit.serve.metrics import Metrics
from graphkit.serve.openapi import page_of, specification
from graphkit.serve.served import Served
from graphkit.serve.serving import Serving
from graphkit.serve.wire import (
    LISTED,
    TEXT,
    Fields,
    K,
    Refused,
    checked_size,
    encoded,
    json_response,
    of_json,
    of_query,
    refusal,
)
from graphkit.serve.workers import SECONDS, Workers, watch
from neuralcore.errors import UserError

PAGE = Path(__file__).with_name("page")
ROWS = 10**9  # no index has more


class Service:
    """The endpoints.

    Args:
        serving: the index. metrics: what is counted. cookie, token: see `Gate`.
    """

    def __init__(self, serving: Serving, metrics: Metrics, workers: Workers, cookie: str, token: str | None):
        self.serving, self.metrics, self.workers = serving, metrics, workers
        self.cookie, self.token = cookie, token
        self._maps: tuple[Served, dict[str, asyncio.Future[bytes]]] | None = None
        self.connections: Callable[[], int] = lambda: 0

    async def answer(self, work: Callable[[Served, float], dict[str, Any]]) -> Response:
        """What `work` finds in the index of now, with its version."""
        served = self.serving.now

        def compute(until: float) -> bytes:
            return encoded({"index": served.version, **work(served, until)})

        return json_response(await self.workers.answer(compute))

    async def search(self, request: Request) -> Response:
        """GET /search: a name, an analogy or a text."""
        asked = of_query(request.scope["query_string"], ("q", "k", "where", "fuzzy"))
        query, k, where, fuzzy = asked.text("q"), _k(asked), asked.where(), asked.flag("fuzzy")
        return await self.answer(lambda served, until: served.search([query], k, where, fuzzy, until)[0])

    async def search_many(self, request: Request) -> Response:
        """POST /search: a batch of them."""
        asked = of_json(await request.body(), ("queries", "k", "where", "fuzzy"))
        queries, k, where, fuzzy = asked.texts("queries"), _k(asked), asked.where(), asked.flag("fuzzy")
        checked_size(len(queries), k)
        return await self.answer(
            lambda served, until: _answers(served, served.search(queries, k, where, fuzzy, until))
        )

    async def neighbors(self, request: Request) -> Response:
        """GET /neighbors: of the row of exactly this name."""
        asked = of_query(request.scope["query_string"], ("name", "k", "where"))
        name, k, where = asked.text("name"), _k(asked), asked.where()
        return await self.answer(lambda served, until: served.neighbors([name], k, where, until)[0])

    async def neighbors_of_many(self, request: Request) -> Response:
        """POST /neighbors: of names or of vectors."""
        asked = of_json(await request.body(), ("names", "vectors", "k", "where"))
        k, where = _k(asked), asked.where()
        if ("names" in asked) == ("vectors" in asked):
            raise Refused(400, "give either names or vectors")
        if "names" in asked:
            names = asked.texts("names")
            checked_size(len(names), k)
            return await self.answer(lambda served, until: _answers(served, served.neighbors(names, k, where, until)))

        def near(served: Served, until: float) -> dict[str, Any]:
            vectors = asked.vectors("vectors", served.index.dimension)
            checked_size(len(vectors), k)
            return _answers(served, served.near_vectors(vectors, k, where, until))

        return await self.answer(near)

    async def relation(self, request: Request) -> Response:
        """GET /relation: the tails of a head, or the heads of a tail."""
        asked = of_query(request.scope["query_string"], ("head", "relation", "tail", "k", "new_only"))
        ask, k, new = _ask(asked), _k(asked), asked.flag("new_only")
        return await self.answer(lambda served, until: served.relation([ask], k, new, until)[0])

    async def relation_of_many(self, request: Request) -> Response:
        """POST /relation: a batch of them."""
        asked = of_json(await request.body(), ("asks", "k", "new_only"))
        asks = [_ask(each) for each in asked.mappings("asks", ("head", "relation", "tail"))]
        k, new = _k(asked), asked.flag("new_only")
        checked_size(len(asks), k)
        return await self.answer(lambda served, until: _answers(served, served.relation(asks, k, new, until)))

    async def relations(self, request: Request) -> Response:
        """GET /relations: what can be asked by /relation."""
        of_query(request.scope["query_string"], ())
        return await self.answer(lambda served, until: {"relations": served.relations()})

    async def embed(self, request: Request) -> Response:
        """POST /embed: vectors of texts."""
        asked = of_json(await request.body(), ("texts", "kind"))
        texts, kind = asked.texts("texts", TEXT), asked.text("kind") if "kind" in asked else None
        return await self.answer(lambda served, until: served.embed(texts, kind))

    async def entities(self, request: Request) -> Response:
        """GET /entities: suggestions, a part of the list, or some rows."""
        asked = of_query(request.scope["query_string"], ("beginning", "rows", "offset", "limit"))
        limit = asked.number("limit", 10, 1, LISTED)
        if sum(name in asked for name in ("beginning", "rows", "offset")) > 1:
            raise Refused(400, "give one of beginning, rows and offset")
        if "beginning" in asked:
            beginning = asked.text("beginning")
            return await self.answer(lambda served, until: {"entities": served.suggestions(beginning, limit)})
        if "rows" in asked:
            rows = _rows(asked.text("rows", 10 * LISTED))
            return await self.answer(lambda served, until: {"entities": served.entities(rows)})
        offset = asked.number("offset", 0, 0, ROWS)
        return await self.answer(lambda served, until: {"entities": served.listed(offset, limit)})

    async def map(self, request: Request) -> Response:
        """GET /map: rows as points of the plane."""
        asked = of_query(request.scope["query_string"], ("method",))
        served = self.serving.now
        known = methods(served)
        method = asked.text("method") if "method" in asked else known[0]
        if method not in known:
            there = " and ".join(known)
            raise Refused(404, f"no map by {method[:40]!r} here, only by {there}; graphkit map makes that by tsne")
        if self._maps is None or self._maps[0] is not served:
            self._maps = served, {}
        maps = self._maps[1]
        if method not in maps:  # drawn once for each index, beside the answers
            draw = self.workers.load(lambda: encoded({"index": served.version, **layout(served, method)}))
            maps[method] = asyncio.ensure_future(draw)
        try:
            return json_response(await asyncio.wait_for(asyncio.shield(maps[method]), SECONDS))
        except TimeoutError:
            raise Refused(503, "the map is still being drawn: try again", {"retry-after": "5"}) from None

    async def health(self, request: Request) -> Response:
        """GET /health: what is served."""
        return json_response(encoded(self.serving.now.health()))

    async def reload(self, request: Request) -> Response:
        """POST /reload: look at the folder now."""
        swapped = await self.workers.load(self.serving.reload)
        return json_response(encoded({"index": self.serving.now.version, "swapped": swapped}))

    async def prometheus(self, request: Request) -> Response:
        """GET /metrics."""
        served = self.serving.now
        gauges = {
            "index_rows": len(served.index),
            "index_dimension": served.index.dimension,
            "connections": self.connections(),
        }
        text = self.metrics.text(gauges, served.version)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json."""
        return json_response(encoded(specification()))

    async def docs(self, request: Request) -> Response:
        """GET /docs: the same to read."""
        return Response(page_of(specification()), media_type="text/html")

    async def page(self, request: Request) -> Response:
        """GET /: the page; opened with the token, it is kept in a cookie and leaves the address."""
        if "token" in request.query_params and self.token is not None:
            # Relative, and the cookie without a path, which is then that of the page: a proxy may have put the
            # service behind a prefix, where "/" is another's. Strict: no page of another site can have it sent along.
            answer = Response(status_code=303, headers={"location": "./"})
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path=None)
            return answer
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html")

    def routes(self) -> list[Route | Mount]:
        """Which path is whose."""
        table: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", "/search", self.search),
            ("POST", "/search", self.search_many),
            ("GET", "/neighbors", self.neighbors),
            ("POST", "/neighbors", self.neighbors_of_many),
            ("GET", "/relation", self.relation),
            ("POST", "/relation", self.relation_of_many),
            ("GET", "/relations", self.relations),
            ("POST", "/embed", self.embed),
            ("GET", "/entities", self.entities),
            ("GET", "/map", self.map),
            ("GET", "/health", self.health),
            ("POST", "/reload", self.reload),
            ("GET", "/metrics", self.prometheus),
            ("GET", "/openapi.json", self.openapi),
            ("GET", "/docs", self.docs),
            ("GET", "/", self.page),
        ]
        routes: list[Route | Mount] = [Route(path, work, methods=[method]) for method, path, work in table]
        return [*routes, Mount("/static", StaticFiles(directory=PAGE))]


def application(
    serving: Serving,
    metrics: Metrics,
    *,
    token: str | None,
    cookie: str = "graphkit",
    hosts: Collection[str] = (),
    addresses: bool = False,
    threads: int = 2,
) -> Starlette:
    """The ASGI application; `serving` is watched while its lifespan lasts.

    Args:
        token, cookie, hosts, addresses: see `Gate`.
    """
    workers = Workers(threads)
    service = Service(serving, metrics, workers, cookie, token)
    routes = service.routes()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watcher = asyncio.create_task(watch(serving, workers))
        yield
        watcher.cancel()
        workers.close()

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            what = f"{request.method} {request.url.path}"
            return refusal(Refused(error.status_code, f"{what}: {error.detail}; see /docs", error.headers))
        assert isinstance(error, Refused | UserError)
        return refusal(error)

    async def broken(request: Request, error: Exception) -> Response:
        return refusal(Refused(500, "an error of ours: it is in the log of the service"))

    gate = Middleware(
        Gate,
        token=token,
        cookie=cookie,
        hosts=hosts,
        addresses=addresses,
        routes={route.path for route in routes},
        metrics=metrics,
    )
    handlers: dict[Any, Any] = {Refused: refused, UserError: refused, HTTPException: refused, Exception: broken}
    app = Starlette(routes=routes, middleware=[gate], exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False  # to an absolute address, which a prefix is missing from
    app.state.service = service
    return app


def _answers(served: Served, answers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"answers": [{"index": served.version, **answer} for answer in answers]}


def _k(asked: Fields) -> int:
    return asked.number("k", 10, 1, K)


def _ask(asked: Fields) -> Ask:
    """An edge of which one part is asked for."""
    parts = [asked.text(name) if name in asked else None for name in ("head", "relation", "tail")]
    if parts.count(None) != 1:
        raise Refused(400, "give two of head, relation and tail: the third is what is asked for")
    return Ask(*parts)


def _rows(text: str) -> Sequence[int]:
    parts = text.split(",")
    if len(parts) > LISTED or not all(part.isascii() and part.isdecimal() and len(part) < 12 for part in parts):
        raise Refused(400, f"rows = {text[:40]!r}: give up to {LISTED:,} row numbers, 1,2,3")
    return [int(part) for part in parts]
