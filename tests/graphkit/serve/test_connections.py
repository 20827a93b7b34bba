"""The HTTP service over sockets: slow, silent and too many clients, and how it starts and stops."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import SearchIndex
from graphkit.serve import connections
from graphkit.serve.connections import server
from graphkit.serve.metrics import Metrics
from graphkit.serve.service import application
from graphkit.serve.serving import Serving

ROOT = Path(__file__).resolve().parents[3]
WAIT = 60  # seconds that a test waits for an answer: the machine may be busy
NAMES = [f"name {i}." for i in range(50)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    matrix = np.random.default_rng(0).normal(size=(len(NAMES), 8))
    return SearchIndex.build(matrix, NAMES).save(tmp_path / "index")


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    """The port of a service without token, in a thread of this process."""
    metrics = Metrics()
    app = application(Serving(folder, metrics=metrics), metrics, token=None)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        made = server(app, metrics)
        started = threading.Event()
        made.ready = started.set
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
        thread.start()
        started.wait(WAIT)
        yield listener.getsockname()[1]
        made.should_exit = True
        thread.join(WAIT)
        assert not thread.is_alive()


def said(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    connection.settimeout(WAIT)
    data = b""
    with contextlib.suppress(ConnectionResetError):  # closed on what we had still to say
        while part := connection.recv(65_536):
            data += part
    return data


def heard(connection: socket.socket, end: bytes) -> bytes:
    """What comes until it ends so."""
    connection.settimeout(WAIT)
    data = b""
    while not data.endswith(end):
        data += connection.recv(65_536)
    return data


def opened(port: int, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), WAIT)
    if data:
        connection.sendall(data)
    return connection


def asked(port: int) -> dict[str, Any]:
    """A good request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    connection.request("GET", "/search?q=name%201.&k=2")
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    assert answer.status == 200
    return body


HEAD = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_connection_serves_many_requests(port: int):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    for _ in range(3):
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["rows"]) == (200, len(NAMES))
        assert answer.getheader("server") is None
    held = connection.sock
    connection.request("POST", "/search", json.dumps({"queries": NAMES}), {"content-type": "application/json"})
    assert len(json.loads(connection.getresponse().read())["answers"]) == len(NAMES)
    assert connection.sock is held  # not one each
    connection.close()


def test_requests_that_come_together_are_answered_in_order(port: int):
    one = b"GET /entities?rows=%d HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    with opened(port, one % (1, b"") + one % (2, b"") + one % (3, b"Connection: close\r\n")) as connection:
        rows = re.findall(rb'"row":(\d)', said(connection))
    assert rows == [b"1", b"2", b"3"]


@pytest.mark.parametrize("data", [b"", b"GET /health HT", HEAD[:-2]])
def test_who_sends_no_whole_head_is_cut(port: int, monkeypatch: pytest.MonkeyPatch, data: bytes):
    monkeypatch.setattr(connections, "PATIENCE", 0.1)
    with opened(port, data) as slow:
        answer = said(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'{"error":' in answer
    monkeypatch.undo()
    assert len(asked(port)["matches"]) == 2


def test_who_drips_a_second_request_is_cut(port: int, monkeypatch: pytest.MonkeyPatch):
    with opened(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") as slow:
        assert heard(slow, b"}").startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(connections, "PATIENCE", 0.1)
        slow.sendall(b"GET /he")
        assert said(slow).endswith(b'{"error":"the request came too slowly"}')


def test_who_drips_a_body_is_cut(port: int):
    with opened(port, HEAD + b'Content-Length: 1000\r\n\r\n{"queries"') as slow:
        answer = said(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_who_sends_a_gigabyte_is_told_before_it_has(port: int):
    with opened(port, HEAD + b"Content-Length: 1000000000\r\n\r\n") as large:
        sent = 0
        try:
            for _ in range(1000):
                large.sendall(b"[" * 1_000_000)
                sent += 1
        except OSError:
            pass  # closed on us
        answer = large.recv(65_536)  # which is there all the same
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 100
    assert len(asked(port)["matches"]) == 2


def test_a_refused_body_does_not_cost_the_connection(port: int):
    """A token or a host is refused before the body has come; it is read, and the next request answered."""
    with opened(port, HEAD.replace(b"localhost", b"evil.example") + b"Content-Length: 2\r\n\r\n") as connection:
        assert heard(connection, b"}").startswith(b"HTTP/1.1 403 ")
        connection.sendall(b"{}GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b'"ok"' in said(connection)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",  # without a host
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 70_000,
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_4xx(port: int, data: bytes):
    with opened(port, data) as connection:
        answer = heard(connection, b"}")
    assert re.match(rb"HTTP/1.1 (4\d\d|501) ", answer), answer
    assert b'{"error":' in answer


def test_one_connection_too_many_is_told_so(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "CONNECTIONS", 3)
    monkeypatch.setattr(connections, "PATIENCE", 30.0)
    held = [opened(port) for _ in range(3)]
    with opened(port) as fourth:
        assert said(fourth).startswith(b"HTTP/1.1 429 ")
    for each in held:
        each.close()
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:  # until the service has noticed that they are gone
        with opened(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as next_one:
            if said(next_one).startswith(b"HTTP/1.1 200 "):
                break


def test_who_does_not_take_an_answer_is_cut(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "TAKEN", 0.2)
    body = json.dumps({"queries": NAMES * 2, "k": 50}).encode()
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with opened(port) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(1.0)
        deadline = time.monotonic() + WAIT
        cut = False
        while not cut and time.monotonic() < deadline:
            try:
                lazy.sendall(request)
            except TimeoutError:
                continue
            except OSError:  # reset or broken pipe, as it happens
                cut = True
    assert cut
    assert len(asked(port)["matches"]) == 2


# ---- the command


def test_the_command_serves_and_stops(folder: Path, tmp_path: Path):
    environment = {key: value for key, value in os.environ.items() if key != "GRAPHKIT_TOKEN"}
    process = subprocess.Popen(
        [sys.executable, "-m", "graphkit.cli", "serve", str(folder), "--port", "0"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert "50 rows of dimension 8" in lines[0]
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S{20,})", lines[1])
        assert found is not None, lines
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=WAIT)
        token = {"Authorization": f"Bearer {found[2]}"}
        connection.request("GET", "/search?q=name%201.", headers=token)
        first = json.loads(connection.getresponse().read())
        assert first["understood"] == "name 1."
        SearchIndex.build(np.eye(8), NAMES[:8]).save(folder)
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            connection.request("GET", "/health")
            if json.loads(connection.getresponse().read())["rows"] == 8:
                break
        else:
            pytest.fail("the new index was not taken")
        connection.close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=WAIT)
        assert (process.returncode, "Traceback" in errors) == (0, False)
        assert errors.splitlines()[-1] == "stopped"
        assert "in place of" in errors
    finally:
        process.kill()
        process.communicate()
