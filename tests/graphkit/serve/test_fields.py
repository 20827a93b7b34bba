"""Bad fields, bad bodies, too much at once: one line each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphkit.serve import gate, wire, workers

TOKEN = "a-token-of-the-tests"

WORDS = ["the", "king", "queen", "man", "woman", "kingdom", "sea", "fish"]
N, D = len(WORDS), 6


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
def test_bad_fields_get_a_line(client: Any, path: str, fields: dict[str, Any]):
    answer = client.get(path, **fields)
    assert 400 <= answer.status < 500
    assert list(answer.json) == ["error"]
    assert 5 < len(answer.json["error"]) < 400
    assert "\n" not in answer.json["error"]


def test_a_query_string_is_utf8(client: Any):
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
def test_bad_bodies_get_a_line(client: Any, path: str, body: bytes):
    answer = client.post(path, body)
    assert 400 <= answer.status < 500
    assert list(answer.json) == ["error"]
    assert 5 < len(answer.json["error"]) < 400


def test_names_may_hold_brackets(client: Any):
    answer = client.post("/search", {"queries": ['[[[[[[[[[[[[[[[[[[[[[[[["[', "king"]})
    assert (answer.status, "brackets" in answer.json["error"]) == (404, False)


def test_bodies_are_json_of_a_limited_size_that_comes_at_a_pace(client: Any, monkeypatch: pytest.MonkeyPatch):
    kind = {"content-type": "application/json"}
    too_long = client.ask("POST", "/search", "", {**kind, "content-length": str(10**9)}, hangs=True)
    assert (too_long.status, "1,048,576" in too_long.json["error"]) == (413, True)
    chunked = {**kind, "transfer-encoding": "chunked"}
    assert client.ask("POST", "/search", "", chunked, [b"[" * 65_536] * 17).status == 413
    assert client.post("/search", {"queries": ["king"]}, {"content-type": "text/plain"}).status == 415
    assert client.ask("POST", "/search", "", kind | {"content-length": "0"}).status == 400
    monkeypatch.setattr(gate, "PATIENCE", 0.05)
    assert client.ask("POST", "/search", "", chunked, [b'{"queries"'], hangs=True).status == 408


def test_too_much_at_once_is_told(client: Any, monkeypatch: pytest.MonkeyPatch):
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


def test_our_own_errors_are_no_pages_of_code(client: Any, monkeypatch: pytest.MonkeyPatch):
    def broken(self: Any, *rest: Any) -> Any:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("graphkit.serve.served.Served.search", broken)
    with pytest.raises(ZeroDivisionError):  # for the log
        client.get("/search", q="king")
    assert 'status="500"' in client.get("/metrics").body.decode()
