"""What the service can be asked, as OpenAPI 3.1, kept by hand, and the same as a page to read.

https://spec.openapis.org/oas/v3.1.0. A test holds the paths to be those of `Service.routes`, and every field to be
one that is read.
"""

from __future__ import annotations

import html
from typing import Any

from graphkit.serve.wire import BATCH, BODY, CONDITIONS, LISTED, MATCHES, QUERY, TEXT, K
from neuralcore import __version__

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "maxLength": QUERY}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": K, "default": 10}
FLAG: Schema = {"type": "boolean", "default": False}
WHERE: Schema = {"type": "array", "items": NAME, "maxItems": CONDITIONS}
NUMBERS: Schema = {"type": "array", "items": {"type": "number"}}

ABOUT = {
    "q": 'a name, its beginning, a title, "a - b + c" of three, "head, relation, ?", or a text',
    "k": "how many matches",
    "where": "conditions on attributes that all have to hold, such as type=film or year>=1990",
    "fuzzy": "take the name that is spelt most alike where none is meant; 1 or 0",
    "name": "exactly the name of a row",
    "head": "an edge's head",
    "relation": "its relation: a name, or an end or a part of one only",
    "tail": "its tail",
    "new_only": "leave out what completes an edge of the graph; 1 or 0",
    "beginning": "what has been typed so far",
    "rows": "row numbers, 1,2,3",
    "offset": "where the list begins",
    "limit": "how many entities",
    "method": "what the map is by; a map by tsne is made with graphkit map",
}


def _list(items: Schema, most: int = BATCH) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(schema: Schema, kind: str = "application/json") -> Schema:
    return {
        "200": {"description": "the answer", "content": {kind: {"schema": schema}}},
        "4XX": {"description": "refused", "content": {"application/json": {"schema": _reference("Error")}}},
    }


def _get(summary: str, answer: Schema, kind: str = "application/json", **fields: Schema) -> Schema:
    """A GET with its fields in the query string; those that are `required` are marked so."""
    parameters = [
        {
            "name": name,
            "in": "query",
            "description": ABOUT[name],
            "required": bool(schema.get("x-required")),
            "schema": {key: value for key, value in schema.items() if key != "x-required"},
        }
        for name, schema in fields.items()
    ]
    return {"summary": summary, "parameters": parameters, "responses": _answer(answer, kind)}


def _post(summary: str, body: Schema | None, answer: Schema) -> Schema:
    out: Schema = {"summary": summary, "responses": _answer(answer)}
    if body is not None:
        out["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return out


def specification() -> Schema:
    """The document that /openapi.json gives."""
    version: Schema = {"type": "string", "description": "16 hex digits that change with what is served"}
    matched = _object(
        ["rank", "row", "name", "title", "score", "attributes"],
        rank={"type": "integer"},
        row={"type": ["integer", "null"], "description": "null for an entity of the model that the index has not"},
        name=STRING,
        title=STRING,
        score={"type": "number", "description": "more is nearer: the cosine, the product, or minus the distance"},
        attributes={"type": "object"},
    )
    matches: Schema = {"type": "array", "items": _reference("Match")}
    modes = ["exact", "title", "case-folded", "prefix", "fuzzy", "analogy", "text", "vector", "relation"]
    answer = _object(
        ["index", "query", "understood", "mode", "metric", "matches"],
        index=version,
        query={"type": ["string", "null"]},
        understood={"type": ["string", "null"], "description": "the name it was understood as"},
        mode={"enum": modes, "description": "how the query was understood"},
        metric={"type": "string", "description": "cosine, dot or l2; of a relation the comparator"},
        matches=matches,
    )
    related = _object(
        ["index", "head", "relation", "tail", "asked", "modes", "metric", "matches"],
        index=version,
        head={"type": ["string", "null"]},
        relation={"type": ["string", "null"]},
        tail={"type": ["string", "null"]},
        asked={"enum": ["head", "relation", "tail"]},
        modes={"type": "object", "description": "how each part that was given was understood"},
        metric={"type": "string", "description": "the comparator that the scores are by"},
        matches=matches,
    )
    entity = _object(["row", "name", "title"], row={"type": "integer"}, name=STRING, title=STRING)
    ask = _object([], head=NAME, relation=NAME, tail=NAME)
    relation = _object(
        ["name", "head", "tail", "sides"],
        name=STRING,
        head={"type": "string", "description": "the type of its heads"},
        tail={"type": "string", "description": "the type of its tails"},
        sides={"enum": ["both", "heads", "tails"], "description": "which it was trained to tell"},
    )
    health = _object(
        ["status", "index", "rows", "dimension", "metric", "factory", "recall", "relations", "text"],
        status={"const": "ok"},
        index=version,
        rows={"type": "integer"},
        dimension={"type": "integer"},
        metric=STRING,
        factory=STRING,
        recall={"type": ["number", "null"]},
        relations={"type": "integer"},
        text={"type": "boolean", "description": "whether texts can be searched for and embedded"},
    )
    layout = _object(
        ["index", "method", "methods", "rows", "points", "kinds", "kind"],
        index=version,
        method={"enum": ["tsne", "pca"]},
        methods={
            "type": "array",
            "items": STRING,
            "description": "the maps there are, the default first",
        },
        rows={"type": "array", "items": {"type": "integer"}},
        points={"type": "string", "description": "base64 of M x 2 little-endian float32 in [-1, 1]"},
        kinds={"type": "array", "items": STRING},
        kind={"type": "string", "description": "base64 of M bytes: which of kinds each row is"},
    )
    needed = {**NAME, "x-required": True}
    found, many = _reference("Answer"), _reference("Answers")
    paths = {
        "/search": {
            "get": _get(
                "Rows nearest to a name, an analogy or a text", found, q=needed, k=COUNT, where=WHERE, fuzzy=FLAG
            ),
            "post": _post(
                "A batch of such queries",
                _object(["queries"], queries=_list(NAME), k=COUNT, where=WHERE, fuzzy=FLAG),
                many,
            ),
        },
        "/neighbors": {
            "get": _get("Rows nearest to the row of exactly this name", found, name=needed, k=COUNT, where=WHERE),
            "post": _post(
                "Of a batch of names, or of vectors",
                {
                    "oneOf": [
                        _object(["names"], names=_list(NAME), k=COUNT, where=WHERE),
                        _object(["vectors"], vectors=_list(NUMBERS), k=COUNT, where=WHERE),
                    ]
                },
                many,
            ),
        },
        "/relation": {
            "get": _get(
                "What best completes an edge: two of its parts are given, the third is asked for",
                _reference("Related"),
                head=NAME,
                relation=NAME,
                tail=NAME,
                k=COUNT,
                new_only=FLAG,
            ),
            "post": _post(
                "A batch of such asks",
                _object(["asks"], asks=_list(_reference("Ask")), k=COUNT, new_only=FLAG),
                _object(
                    ["index", "answers"],
                    index=version,
                    answers={"type": "array", "items": _reference("Related")},
                ),
            ),
        },
        "/relations": {
            "get": _get(
                "The relations that can be asked",
                _object(["index", "relations"], index=version, relations={"type": "array", "items": relation}),
            )
        },
        "/embed": {
            "post": _post(
                "Vectors of texts; zeros where nothing of a text is known",
                _object(["texts"], texts=_list({"type": "string", "maxLength": TEXT}), kind=STRING),
                _object(
                    ["index", "dimension", "vectors"],
                    index=version,
                    dimension={"type": "integer"},
                    vectors={"type": "array", "items": NUMBERS},
                ),
            )
        },
        "/entities": {
            "get": _get(
                "Suggestions while typing, a part of the list, or some rows",
                _object(["index", "entities"], index=version, entities={"type": "array", "items": entity}),
                beginning=NAME,
                rows=STRING,
                offset={"type": "integer", "minimum": 0, "default": 0},
                limit={"type": "integer", "minimum": 1, "maximum": LISTED, "default": 10},
            )
        },
        "/map": {"get": _get("Up to 50,000 rows as points of the plane", layout, method={"enum": ["tsne", "pca"]})},
        "/health": {"get": _get("What is served; needs no token", health) | {"security": []}},
        "/reload": {
            "post": _post(
                "Look at the folder now, and not within a second",
                None,
                _object(["index", "swapped"], index=version, swapped={"type": "boolean"}),
            )
        },
        "/metrics": {"get": _get("Counters and times for Prometheus", STRING, "text/plain")},
        "/openapi.json": {"get": _get("This document", {"type": "object"})},
        "/docs": {"get": _get("This document as a page", STRING, "text/html")},
        "/": {"get": _get("The page to search with; needs no token", STRING, "text/html") | {"security": []}},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "graphkit serve",
            "version": __version__,
            "description": "Which names are nearest to a name, a text or a vector, and which entities complete a "
            f"relation. A body is JSON of at most {BODY:,} bytes; a request asks for at most {MATCHES:,} matches.",
        },
        "servers": [{"url": "."}],  # beside this document, also behind a proxy's prefix
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Match": matched,
                "Answer": answer,
                "Answers": _object(
                    ["index", "answers"], index=version, answers={"type": "array", "items": _reference("Answer")}
                ),
                "Ask": ask,
                "Related": related,
                "Error": _object(["error"], error={"type": "string", "description": "one line, with the remedy"}),
            },
        },
    }


def page_of(document: Schema) -> str:
    """The document as HTML that asks for nothing elsewhere."""
    parts = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            rows = [
                (each["name"], each["description"] + (" (needed)" if each["required"] else ""))
                for each in operation.get("parameters", [])
            ]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            for shape in [] if body is None else body.get("oneOf", [body]):
                rows.append(("body", _written(shape, document)))
            (kind, content), *_ = operation["responses"]["200"]["content"].items()
            rows.append(("answer", _written(content["schema"], document) if kind.endswith("json") else kind))
            table = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
            summary = html.escape(operation["summary"])
            parts.append(
                f"<h2><b>{method.upper()}</b> {html.escape(path)}</h2><p>{summary}</p><table>{table}</table>"
            )
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(info['title'])}</title>"
        '<link rel="icon" href="static/icon.svg"><link rel="stylesheet" href="static/docs.css"></head><body><main>'
        f"<h1>{html.escape(info['title'])} {html.escape(info['version'])}</h1><p>{html.escape(info['description'])} "
        '<a href="openapi.json">openapi.json</a></p>' + "".join(parts) + "</main></body></html>"
    )


def _written(schema: Schema, document: Schema, depth: int = 0) -> str:
    """A schema as a line: {"queries": [string], "k": integer}."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        fields = (f'"{name}": {_written(each, document, depth + 1)}' for name, each in schema["properties"].items())
        return "{" + ", ".join(fields) + "}"
    if kind == "array":
        return f"[{_written(schema['items'], document, depth + 1)}]"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    return " | ".join(kind) if isinstance(kind, list) else str(kind)
