"""`graphkit serve`: an index, or the vectors of a run, over HTTP.

graphkit serve runs/wn18rr
graphkit serve indexes/text8 --model runs/text8 --port 8080
GRAPHKIT_TOKEN=… graphkit serve indexes/text8 --host 0.0.0.0 --allow-host search.example.org
"""

from __future__ import annotations

import gc
import ipaddress
import os
import re
import secrets
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from neuralcore.errors import UserError
from neuralcore.lazy import installed

if TYPE_CHECKING:
    from graphkit.serve.metrics import Metrics
    from graphkit.serve.serving import Serving

TOKEN = "GRAPHKIT_TOKEN"  # the variable of the environment; a word of the command line could be read by other users
WELL_FORMED = re.compile(r"[A-Za-z0-9._~-]{16,200}")
SWITCHED = 0.0005  # seconds after which a thread that computes makes way for the one that answers; Python's: 5 ms


@dataclass(frozen=True)
class ServeArguments:
    """Serve an index over HTTP: search, relations, embeddings, a page."""

    folder: Positional[Path]
    """A run folder, its vectors/ folder, or an index written by graphkit search --save-index. Written anew, it is
    exchanged while requests go on."""
    model: Path | None = None
    """The run that a saved index was made from: its words encode texts, its graph answers relations."""
    host: str = "127.0.0.1"
    """The address to listen at. Others than this machine reach it at 0.0.0.0, :: or the address of a network card."""
    port: int = 8000
    """The port to listen at; 0 takes any that is free."""
    without_token: bool = False
    """Ask for no token; on this machine's own address only. Otherwise it is in the environment as GRAPHKIT_TOKEN, or
    one is made and printed."""
    allow_host: tuple[str, ...] = ()
    """Names by which the service may be called beside localhost, such as that of a proxy before it."""
    threads: int | None = None
    """Threads that search; one a core if not said."""
    metric: Literal["cosine", "dot", "l2"] | None = None
    """What is near; cosine if not said. A saved index keeps its own."""
    factory: str | None = None
    """How to search a run's vectors: auto, if not said, or a FAISS factory string."""
    recall: float | None = None
    """The share of the true 10 nearest that an index other than Flat is made to find; 0.95 if not said."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"--port {self.port}: give 0 to 65535")
        if self.threads is not None and not 1 <= self.threads <= 256:
            raise ValueError(f"--threads {self.threads}: give 1 to 256")
        if self.recall is not None and not 0 < self.recall <= 1:
            raise ValueError(f"--recall {self.recall}: a share, above 0 and up to 1")


def serve(arguments: ServeArguments) -> int:
    """Serve an index over HTTP: search, relations, embeddings, a page."""
    for package in ("starlette", "uvicorn"):
        if not installed(package):
            raise UserError(f"this needs {package}, which is not installed: pip install 'rlgraphkit[serve]'")
    token = _token(arguments)
    listener = _listener(arguments.host, arguments.port)  # before an index is built for nothing
    with listener:
        from graphkit.serve.metrics import Metrics
        from graphkit.serve.serving import Serving

        metrics = Metrics()
        serving = Serving(
            arguments.folder,
            arguments.model,
            metric=arguments.metric,
            factory=arguments.factory,
            recall=arguments.recall,
            metrics=metrics,
        )
        _run(arguments, serving, metrics, listener, token)
    return 0


def _run(
    arguments: ServeArguments, serving: Serving, metrics: Metrics, listener: socket.socket, token: str | None
) -> None:
    from graphkit.serve.connections import run
    from graphkit.serve.service import application

    host, port = listener.getsockname()[:2]
    app = application(
        serving,
        metrics,
        token=token,
        cookie=f"graphkit_{port}",  # browsers keep cookies by host, and another port may be another service
        hosts=[*arguments.allow_host, *([] if _is_loopback(host) else [arguments.host])],
        addresses=not _is_loopback(host),
        threads=arguments.threads or os.cpu_count() or 2,
    )
    sys.setswitchinterval(SWITCHED)
    gc.collect()
    gc.freeze()  # what is loaded stays: a collection need not look at it again, which takes a tenth of a second
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # uvicorn sends them on when it has ended in good order
    run(app, listener, metrics, lambda: _announce(serving, host, port, token))
    print("stopped", file=sys.stderr)


def _announce(serving: Serving, host: str, port: int, token: str | None) -> None:
    now = serving.now.health()
    texts = "texts" if now["text"] else "no texts"
    print(
        f"{now['rows']:,} rows of dimension {now['dimension']}, {now['metric']}, {now['factory']}; "
        f"{now['relations']} relations, {texts}; index {now['index']}"
    )
    named = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    base = f"http://{named}:{port}"
    print(f"the page:  {base}/" + (f"?token={token}" if token else ""))
    header = f"-H 'Authorization: Bearer {token}' " if token else ""
    print(f"a search:  curl {header}'{base}/search?q=…&k=5'")
    if not _is_loopback(host):
        print("others can reach it, and nothing is encrypted: put a proxy with TLS before it on a network you share")
    sys.stdout.flush()


def _token(arguments: ServeArguments) -> str | None:
    """The token that requests need, or None.

    Raises:
        UserError: it is too simple, or none is wanted where others than this machine can ask.
    """
    if arguments.without_token:
        if not _is_loopback(arguments.host):
            raise UserError(
                f"--without-token at {arguments.host}: everybody who reaches it could read it; leave one of both out"
            )
        return None
    token = os.environ.get(TOKEN)
    if token is None:
        return secrets.token_urlsafe(24)
    if not WELL_FORMED.fullmatch(token):
        raise UserError(
            f"{TOKEN} is 16 to 200 letters, digits and . _ ~ -: make one, or leave it out to have one made"
        )
    return token


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listener(host: str, port: int) -> socket.socket:
    """A socket that is bound, and does not listen yet.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UserError(
            f"{host}:{port} cannot be listened at: {error.strerror}; choose another --port or --host"
        ) from None
    return listener
