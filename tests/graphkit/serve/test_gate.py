"""Who may ask the service, and what browsers are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphkit import SearchIndex
from graphkit.serve.openapi import specification

TOKEN = "a-token-of-the-tests"


def test_all_but_health_and_the_page_need_the_token(client: Any):
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


def test_the_page_takes_the_token_from_its_address_and_keeps_it(client: Any):
    none = {"authorization": ""}
    answer = client.get("/", none, token=TOKEN)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"graphkit={TOKEN};")
    # Without a path it is that of the page, also where a proxy has put the service behind a prefix.
    assert set(cookie.split("; ")) == {f"graphkit={TOKEN}", "HttpOnly", "SameSite=strict"}
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
def test_foreign_hosts_and_origins_are_refused(client: Any, headers: dict[str, str], status: int):
    assert client.get("/health", headers).status == status
    assert client.get("/search", headers, q="king").status == status


def test_other_names_have_to_be_allowed(tmp_path: Path, index: SearchIndex, start: Callable[..., Any]):
    index.save(tmp_path / "index")
    client = start(tmp_path / "index", hosts=["Search.example"], addresses=True)
    assert client.get("/health", {"host": "search.EXAMPLE:8000"}).status == 200
    assert client.get("/health", {"host": "192.168.0.7:8000"}).status == 200  # no name, so nobody's to point here
    assert client.get("/health", {"host": "evil.example"}).status == 403
    free = start(tmp_path / "index", token=None)
    assert free.get("/search", {"authorization": ""}, q="king").status == 200


def test_answers_carry_the_headers_that_browsers_heed(client: Any):
    for path in ("/", "/docs", "/health", "/nowhere", "/static/docs.css"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert client.get("/static/docs.css").headers["content-type"] == "text/css; charset=utf-8"
    for path in ("/static/../service.py", "/static/..%2fservice.py", "/static//etc/passwd", "/static/none.js"):
        assert client.get(path).status == 404
