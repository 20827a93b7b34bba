"""What every request passes before anything is computed for it: host, origin, size, token.

A service on loopback is reached by every web page that the person at the machine opens, unless it looks: a page may
send requests across origins, or have its own name point to 127.0.0.1 (DNS rebinding) and read the answers. So names
of hosts are those that were meant, an `Origin` is the service's own, a body is JSON (which a form cannot send), and
all but /health need the token.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import time
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphkit.serve.metrics import Metrics
from graphkit.serve.wire import BODY, Refused, refusal

PATIENCE = 0.9  # seconds in which something has to come
RATE = 16_384  # bytes a second at which a body has to come after that
OPEN = ("/health",)  # paths that need no token
SECURITY = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(:\d{1,5})?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Gate:
    """Refuses what should not be answered, counts what is, and puts the security headers on it.

    Args:
        token: None: none is asked for.
        cookie: the name under which a browser keeps the token.
        hosts: names by which the service may be called, beside localhost. addresses: whether any IP address is, too,
            which a name under another's control can never be.
        routes: paths that are told apart in the metrics.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        cookie: str,
        hosts: Collection[str],
        addresses: bool,
        routes: Collection[str],
        metrics: Metrics,
    ):
        self.app, self.token, self.cookie, self.metrics = app, token, cookie, metrics
        self.hosts, self.addresses, self.routes = {*LOOPBACK, *map(str.lower, hosts)}, addresses, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            try:
                headers = Headers(scope=scope)
                self._check_place(headers)
                declared_size(headers)
                self._check_token(scope, headers)
                body = await read_body(headers, receive)
            except Refused as error:
                await refusal(error)(scope, receive, answer)
            else:
                await self.app(scope, _replay(body, receive), answer)
        finally:
            path = scope["path"]
            route = path if path in self.routes else "/static" if path.startswith("/static/") else "other"
            self.metrics.answered(route, status, time.perf_counter() - start)

    def _check_place(self, headers: Headers) -> None:
        """Refuse requests that a page of another origin, or a name that was not meant, has sent."""
        host = headers.get("host", "")
        found = HOST.fullmatch(host)
        name = found[1].strip("[]").lower() if found else ""
        if name not in self.hosts and not (self.addresses and _is_address(name)):
            raise Refused(403, f"this service is not called {host[:80]!r}: start it with --allow-host for that name")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            raise Refused(403, f"requests from pages of {origin[:80]!r} are not answered")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refused(403, "requests from pages of other sites are not answered")

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        path, asked = scope["path"], QueryParams(scope["query_string"]).get("token")
        # The page says nothing of what is served, and asks for a token by itself.
        if self.token is None or path in OPEN or path.startswith("/static/") or (path == "/" and asked is None):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given.strip(), self.token):
            return
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            kept = None
        if kept is not None and _same(kept.value, self.token):
            return
        if path == "/" and _same(asked or "", self.token):
            return
        raise Refused(
            401,
            "this needs the token that was printed when the service started: send it as Authorization: Bearer TOKEN, "
            "or open /?token=TOKEN",
            {"www-authenticate": "Bearer"},
        )


def declared_size(headers: Headers) -> int | None:
    """The bytes that a request says its body has; None where it does not say.

    Raises:
        Refused: too many.
    """
    length = headers.get("content-length")
    if length is None:
        return None if "transfer-encoding" in headers else 0
    if int(length) > BODY:  # h11 lets digits alone pass
        raise Refused(413, f"the body has {int(length):,} bytes: at most {BODY:,} are read")
    return int(length)


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """A request's body.

    Raises:
        Refused: it is too long, no JSON, or comes too slowly.
    """
    if declared_size(headers) == 0:
        return b""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"the body is {kind[:80] or 'of no type'}: send application/json")
    body, start = bytearray(), time.monotonic()
    while True:
        left = start + PATIENCE + len(body) / RATE - time.monotonic()
        try:
            message: Any = await asyncio.wait_for(receive(), max(left, 0.001))
        except TimeoutError:
            raise Refused(408, f"the body came too slowly: {len(body):,} bytes") from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "the connection ended within the body")
        body += message.get("body", b"")
        if len(body) > BODY:
            raise Refused(413, f"the body has over {BODY:,} bytes: no more are read")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, and after that what `receive` gives."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
