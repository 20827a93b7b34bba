"""The page behind a proxy that gives the service a prefix, as https://host/vectors/ would."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from graphkit.embedding.embedding import GraphEmbedding

pytestmark = pytest.mark.slow

PREFIX = "/vectors"


@pytest.fixture
def proxied(films: GraphEmbedding, serve: Callable[..., str], tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """The page's address behind the proxy, and the paths outside of the prefix that were asked for."""
    films.save(tmp_path / "run" / "vectors")
    behind = urlsplit(serve(tmp_path / "run"))
    outside: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                outside.append(self.path)
                self.send_error(404)
                return
            connection = http.client.HTTPConnection(behind.hostname or "", behind.port, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request("GET", self.path.removeprefix(PREFIX), headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("server", "date", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            connection.close()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}/", outside
        server.shutdown()


def test_all_of_it_works_behind_a_prefix(
    open_page: Callable[..., Any], proxied: tuple[str, list[str]], token: str
) -> None:
    address, outside = proxied
    page = open_page(f"{address}?token={token}")
    assert page.url == address
    (cookie,) = page.context.cookies()
    assert cookie["path"] == PREFIX  # other services of that host are not given the token
    page.fill("#query", "king")
    page.press("#query", "Enter")
    page.until("document.querySelectorAll('#matches a').length === 10")
    page.click("#matches a >> nth=0")
    page.until("document.querySelector('#walk a')")
    assert page.url.startswith(f"{address}#name=")
    page.goto(f"{address}docs")
    assert page.evaluate("document.styleSheets[0].cssRules.length") > 0
    assert page.get_attribute("a", "href") == "openapi.json"
    assert outside == []
