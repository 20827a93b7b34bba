"""What comes in over HTTP, read strictly, and what goes out: JSON without surprises.

Everything a client sends is taken for hostile until it is a string, a whole number in its range or a finite vector of
the right length. A field nobody knows is refused rather than ignored, since ignoring it would hide a typing mistake.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from starlette.responses import Response

from neuralcore.errors import UserError, nearest

BODY = 1 << 20  # bytes of a request's body
DEPTH = 16  # brackets within brackets
K = 1_000  # neighbours of one query
BATCH = 256  # queries, vectors, texts or asks of one request
MATCHES = 20_000  # of all queries of a request together: about 2 MB of answer
QUERY = 1_000  # characters of a name or a query
TEXT = 20_000  # characters of a text to embed
LISTED = 1_000  # entities of one answer
CONDITIONS = 16  # of one `where`

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STEPS = np.zeros(256, np.int32)
_STEPS[[ord("["), ord("{")]], _STEPS[[ord("]"), ord("}")]] = 1, -1


class Refused(Exception):
    """A request that is not answered: its status, one line that says why, and headers."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.headers = status, headers


class Fields:
    """The fields of one request, by name; a name outside `known` is refused.

    Args:
        values: of a JSON body, or of a query string, where each value is a string (`typed` is then False).
    """

    def __init__(self, values: Mapping[str, Any], known: Sequence[str], typed: bool):
        for name in values:
            if name not in known:
                raise Refused(400, f"no field {name!r} here: {nearest(str(name), known)}")
        self.values, self.typed = values, typed

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, longest: int = QUERY) -> str:
        """A string that has to be there."""
        if name not in self.values:
            raise Refused(400, f"the field {name!r} is missing")
        return checked_text(name, self.values[name], longest)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number."""
        value = self.values.get(name, default)
        if not self.typed and isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused(400, f"{name} = {shown(value)} is no whole number: give {lowest:,} to {highest:,}")
        if not lowest <= value <= highest:
            raise Refused(400, f"{name} = {shown(value)}: give {lowest:,} to {highest:,}")
        return value

    def flag(self, name: str) -> bool:
        """Whether something is asked for: true or false in JSON, 1 or 0 in a query string; not said is no."""
        value = self.values.get(name, False)
        if not self.typed:
            value = {"1": True, "true": True, "0": False, "false": False}.get(value, value)
        if not isinstance(value, bool):
            raise Refused(400, f"{name} = {shown(value)}: give {'true or false' if self.typed else '1 or 0'}")
        return value

    def texts(self, name: str, longest: int = QUERY, most: int = BATCH) -> list[str]:
        """1 to `most` strings."""
        return [checked_text(f"{name}[{i}]", each, longest) for i, each in enumerate(self._listed(name, most))]

    def where(self) -> list[str]:
        """Conditions as they are typed, "year>=1990"."""
        value = self.values.get("where", [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or len(value) > CONDITIONS:
            raise Refused(400, f'where is a list of at most {CONDITIONS} conditions such as "year>=1990"')
        return [checked_text("where", each, QUERY) for each in value]

    def vectors(self, name: str, dimension: int) -> np.ndarray:
        """(M, D) float64, finite."""
        rows = self._listed(name, BATCH)
        for i, row in enumerate(rows):
            if not isinstance(row, list) or not all(type(number) in (int, float) for number in row):
                raise Refused(400, f"{name}[{i}] is no list of numbers")
            if len(row) != dimension:
                raise Refused(400, f"{name}[{i}] has {len(row):,} numbers, this index has dimension {dimension}")
        try:
            array = np.array(rows, np.float64)
        except OverflowError:  # a whole number beyond float64
            array = np.array([np.inf])
        if not np.isfinite(array).all():
            raise Refused(400, f"{name} holds a number that is not finite")
        return array

    def mappings(self, name: str, known: Sequence[str]) -> list[Fields]:
        """1 to `BATCH` objects."""
        out = []
        for i, each in enumerate(self._listed(name, BATCH)):
            if not isinstance(each, dict):
                raise Refused(400, f"{name}[{i}] = {shown(each)} is no object")
            out.append(Fields(each, known, True))
        return out

    def _listed(self, name: str, most: int) -> list[Any]:
        value = self.values.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise Refused(400, f"{name} is a list of 1 to {most}" + ("" if name in self else ", and is missing"))
        return value


def of_query(query: bytes, known: Sequence[str]) -> Fields:
    """The fields of a query string; only `where` may be there more than once.

    Raises:
        Refused: they are not UTF-8, one is there twice or unknown.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise Refused(400, "the query string is not percent-encoded UTF-8 of at most 64 fields") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name == "where":
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Refused(400, f"{name!r} is there twice")
        else:
            values[name] = value
    return Fields(values, known, False)


def of_json(body: bytes, known: Sequence[str]) -> Fields:
    """The fields of a JSON object.

    Raises:
        Refused: it is no JSON, too deep, not an object, holds NaN, or an unknown field.
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise Refused(400, f"the body is not UTF-8: byte {error.start} is not") from None
    # Before the parser, which goes down by recursion. Brackets in names do not count, and are left out if it matters.
    if _depth(body) > DEPTH and (depth := _depth(_STRING.sub(b"", body))) > DEPTH:
        raise Refused(400, f"the body has brackets {depth:,} deep: at most {DEPTH} are read")
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused(400, f"the body is {shown(value)}: send an object")
    return Fields(value, known, True)


def checked_text(name: str, value: Any, longest: int) -> str:
    """A string that UTF-8 can hold, and not too long.

    Raises:
        Refused: it is not.
    """
    if not isinstance(value, str):
        raise Refused(400, f"{name} = {shown(value)} is no string")
    if len(value) > longest:
        raise Refused(400, f"{name} has {len(value):,} characters: at most {longest:,} are read")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(400, f"{name} holds half of a surrogate pair: send whole characters") from None
    return value


def checked_size(queries: int, k: int) -> None:
    """Refuse an answer that would be too long.

    Raises:
        Refused: it would.
    """
    if queries * k > MATCHES:
        raise Refused(400, f"{queries} queries of k = {k} are {queries * k:,} matches: at most {MATCHES:,} at once")


def shown(value: Any) -> str:
    """A value in an error message, shortened."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a very large number"
    return text if len(text) <= 60 else text[:60] + "…"


def plain(value: Any) -> Any:
    """An attribute's value in JSON: NaN, which it has not, is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def encoded(value: Any) -> bytes:
    """JSON as UTF-8."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that is encoded already."""
    return Response(body, status, dict(headers or {}), "application/json")


def refusal(error: Refused | UserError) -> Response:
    """What a client is told: {"error": one line}."""
    line = " ".join(str(error).split())
    status, headers = (error.status, error.headers) if isinstance(error, Refused) else (400, None)
    return json_response(encoded({"error": line}), status, headers)


def _depth(body: bytes) -> int:
    """How deep brackets are open, strings not told apart."""
    return int(np.cumsum(_STEPS[np.frombuffer(body, np.uint8)]).max(initial=0))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
