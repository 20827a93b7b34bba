"""What the service tells of itself: OpenAPI and metrics."""

from __future__ import annotations

import re
from typing import Any

from graphkit.serve.openapi import page_of, specification

WORDS = ["the", "king", "queen", "man", "woman", "kingdom", "sea", "fish"]
N, D = len(WORDS), 6


def test_openapi_is_what_is_served(client: Any):
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
    # Nothing from elsewhere, and nothing above the service, which may lie behind a proxy's prefix.
    assert set(re.findall(r"(?:src|href)=\"([^\"]*)", page)) == {"static/docs.css", "static/icon.svg", "openapi.json"}


def test_metrics_are_prometheus(client: Any):
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
