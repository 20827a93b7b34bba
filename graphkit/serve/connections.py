"""Connections that are slow, silent or too many: uvicorn's HTTP protocol with an end to its patience.

uvicorn ends idle connections between two requests, but waits for ever for a first byte, for the rest of a head that
comes byte by byte, and for a client that does not read its answer. So, beside:

- the head of a request has to be there `PATIENCE` seconds after the connection was made or the head began: else 408;
- one connection more than `CONNECTIONS` is told 429;
- a client that sends a body nobody wants has `LINGER` seconds to read that, and reads it: closed at once, its system
  would throw the answer away with the connection;
- an answer has to be taken within `TAKEN` seconds.

asyncio accepts `backlog` connections before it does anything else, so that is few; the system's queue is long.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from graphkit.serve.gate import PATIENCE
from graphkit.serve.metrics import Metrics
from graphkit.serve.wire import BODY, encoded

CONNECTIONS = 2_000
LINGER = 0.5
TAKEN = 10.0
IDLE = 15  # seconds between two requests of a connection
STOPPING = 5  # seconds that requests have to end in when the service stops
HEAD = 16_384  # bytes of a request's head
ACCEPTED = 64  # connections at a time
QUEUE = 2_048  # connections that wait to be accepted
FILES = 8_192  # open files, where the system lets us


class Connection(H11Protocol):
    """One connection; `metrics` counts those that were cut."""

    metrics: Metrics

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._patience: asyncio.TimerHandle | None = None  # with a head that has not come
        self._taking: asyncio.TimerHandle | None = None  # with an answer that is not taken

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """asyncio: somebody connected."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            self._cut("too_many", 429, "too many connections: try again later")
        else:
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_waiting()
        elif self._patience is None and self.conn.trailing_data[0]:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is over."""
        self._stop_waiting()
        self._stop_taking()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """uvicorn: an answer was written."""
        unread, cycle = self.conn.their_state is h11.SEND_BODY, self.cycle
        super().on_response_complete()
        if unread and not self.transport.is_closing():
            if not 0 <= _declared(self.headers) <= BODY:
                self.flow.pause_reading()
            self.loop.call_later(LINGER, self._end_unread, cycle)

    def _end_unread(self, cycle: Any) -> None:
        if self.cycle is cycle and self.conn.their_state is h11.SEND_BODY:
            self.metrics.count("connections_cut_total", reason="unread_body")
            self.transport.abort()

    def pause_writing(self) -> None:
        """asyncio: the client takes its answer slowly, or not at all."""
        super().pause_writing()
        self._wait_for_taking()

    def resume_writing(self) -> None:
        """asyncio: it has taken most of it."""
        super().resume_writing()
        self._stop_taking()

    def timeout_keep_alive_handler(self) -> None:
        """uvicorn: nothing was asked for a while."""
        super().timeout_keep_alive_handler()
        self._wait_for_taking()  # closing waits until all is taken

    def send_400_response(self, msg: str) -> None:
        """uvicorn: this is no HTTP."""
        self._cut("malformed", 400, msg)

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(PATIENCE, self._cut, "slow", 408, "the request came too slowly")

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _cut(self, reason: str, status: int, message: str) -> None:
        """Say why, and close."""
        self._stop_waiting()
        self.metrics.count("connections_cut_total", reason=reason)
        if not self.transport.is_closing():
            body = encoded({"error": message})
            head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
            self.transport.close()
            self._wait_for_taking()

    def _wait_for_taking(self) -> None:
        if self._taking is None:
            self._taking = self.loop.call_later(TAKEN, self._throw_away)

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _throw_away(self) -> None:
        self.metrics.count("connections_cut_total", reason="answer_not_taken")
        self.transport.abort()


def _declared(headers: list[tuple[bytes, bytes]]) -> int:
    """The length that a body says it has, -1 where it does not say."""
    return next((int(value) for name, value in headers if name == b"content-length"), -1)


class Server(uvicorn.Server):
    """uvicorn, with a long queue of connections before it; `ready` is called when it listens."""

    ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn: begin to listen."""
        await super().startup(sockets)
        for each in sockets or []:
            each.listen(QUEUE)
        if self.ready is not None:
            self.ready()


def run(app: Starlette, listener: socket.socket, metrics: Metrics, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM comes.

    Args:
        app: from `graphkit.serve.service`. listener: a bound socket. ready: is called when requests are answered.
    """
    made = server(app, metrics)
    made.ready = ready
    made.run(sockets=[listener])


def server(app: Starlette, metrics: Metrics) -> Server:
    """uvicorn with our limits."""
    config = uvicorn.Config(
        app,
        http=type("Counted", (Connection,), {"metrics": metrics}),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPTED,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=STOPPING,
        h11_max_incomplete_event_size=HEAD,
    )
    made = Server(config)
    app.state.service.connections = lambda: len(made.server_state.connections)
    _allow_files()
    return made


def _allow_files() -> None:
    """As many open files as the connections need, where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
