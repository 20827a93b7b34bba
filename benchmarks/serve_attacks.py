"""Clients that mean no good, and damaged files; what benchmarks/serve.py measures."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from serve_load import TOKEN, load_process, service
from serve_speed import DIMENSION, made_index

from graphkit import SearchIndex
from neuralcore.errors import UserError


def raw(port: int, head: bytes, body: bytes = b"", pieces: float = 0.0) -> tuple[int, float]:
    """The status that some bytes are answered with, and after how long; `pieces`: seconds between single bytes."""
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.settimeout(10)
        with contextlib.suppress(OSError):  # it may be closed on us while we send
            if pieces:
                connection.settimeout(pieces)
                for byte in head:
                    connection.sendall(bytes([byte]))
                    with contextlib.suppress(TimeoutError):
                        if answer := connection.recv(12):
                            return int(answer[9:12]), time.perf_counter() - start
            connection.sendall(head)
            connection.sendall(body)
        answer = connection.recv(4096)
        return int(answer[9:12]), time.perf_counter() - start


async def silent(port: int, count: int) -> list[tuple[int, float]]:
    """The statuses of connections that say nothing, and after how long each comes."""

    async def one() -> tuple[int, float]:
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status = int((await reader.readexactly(12))[9:12])
        seconds = time.perf_counter() - start
        writer.close()
        return status, seconds

    return await asyncio.gather(*(one() for _ in range(count)))


def hostile(arguments: argparse.Namespace) -> dict[str, Any]:
    """Each bad request in turn, again and again, beside good ones at a steady rate."""
    path = made_index(arguments.folder, arguments.rows, arguments.spread, arguments.factory)
    token = f"Authorization: Bearer {TOKEN}\r\n".encode()
    head = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + token

    def post(path: bytes, body: bytes) -> tuple[bytes, bytes]:
        return head % path + b"Content-Length: %d\r\n\r\n" % len(body), body

    vector = b", ".join([b"0.5"] * DIMENSION)
    bad: dict[str, Any] = {
        "1 GB body, length told": (head % b"search" + b"Content-Length: 1000000000\r\n\r\n", b"[" * 50_000_000),
        "body without end, chunked": (
            head % b"search" + b"Transfer-Encoding: chunked\r\n\r\n",
            (b"10000\r\n" + b"[" * 65_536 + b"\r\n") * 800,
        ),
        "k = 1e9": (b"GET /search?q=a&k=1000000000 HTTP/1.1\r\nHost: localhost\r\n" + token + b"\r\n", b""),
        "NaN": post(b"neighbors", b'{"vectors": [[' + vector.replace(b"0.5", b"NaN", 1) + b"]]}"),
        "1e999": post(b"neighbors", b'{"vectors": [[' + vector.replace(b"0.5", b"1e999", 1) + b"]]}"),
        "wrong dimension": post(b"neighbors", b'{"vectors": [[1, 2, 3]]}'),
        "deep JSON": post(b"search", b'{"queries": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"),
        "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b""),
        "endless head": (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 1_000_000, b""),
        "foreign host": (b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", b""),
        "foreign origin": (
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
            b"",
        ),
        "no token": (b"GET /search?q=a HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
        "slow head": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"a" * 1000, b""),
        "slow body": (head % b"search" + b'Content-Length: 1000\r\n\r\n{"queries"', b""),
    }
    out: dict[str, Any] = {}
    with service(path) as started:
        port = started.port

        def good(seconds: float) -> subprocess.Popen[str]:
            return load_process(port, arguments.rows, arguments.rate, seconds, arguments.connections)

        quiet = json.loads(good(arguments.seconds).communicate()[0])
        process = good(arguments.seconds * len(bad) / 2)
        time.sleep(1.5)
        for name, (first, body) in bad.items():
            found = []
            end = time.perf_counter() + arguments.seconds / 3
            while not found or time.perf_counter() < end:
                found.append(raw(port, first, body, 0.1 if name == "slow head" else 0.0))
                time.sleep(0.05)
            out[name] = {
                "statuses": sorted({status for status, _ in found}),
                "times": len(found),
                "slowest_s": max(seconds for _, seconds in found),
            }
            print(name, out[name], flush=True)
        during = json.loads(process.communicate()[0])
        process = good(arguments.seconds)
        time.sleep(1.5)
        found = asyncio.run(silent(port, arguments.held))
        out[f"{arguments.held:,} silent connections"] = {
            "statuses": sorted({status for status, _ in found}),
            "times": len(found),
            "slowest_s": max(seconds for _, seconds in found),
        }
        beside = json.loads(process.communicate()[0])
    return {"bad": out, "good": {"alone": quiet, "beside bad requests": during, "beside the connections": beside}}


def damaged(arguments: argparse.Namespace) -> dict[str, Any]:
    """Changes to FAISS's file of a saved index, each to be refused."""
    draw, refused, kinds = random.Random(0), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        matrix = np.random.default_rng(0).normal(size=(2_000, 16)).astype(np.float32)
        names = [f"entity {i} " for i in range(len(matrix))]
        for factory in ("Flat", "HNSW16", "IVF16,Flat"):
            SearchIndex.build(matrix, names, factory=factory, recall=None).save(folder)
            (path,) = folder.glob("*.faiss")
            whole = path.read_bytes()
            for number in range(arguments.times // 3 + 1):
                data = bytearray(whole)
                kind = ("bit", "cut", "longer", "8 bytes", "header")[number % 5]
                if kind == "bit":
                    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
                elif kind == "cut":
                    del data[draw.randrange(len(data)) :]
                elif kind == "longer":
                    data += draw.randbytes(draw.randrange(1, 64))
                else:
                    start = draw.randrange(64 if kind == "header" else len(data) - 8)
                    data[start : start + 8] = draw.randbytes(8)
                if data == whole:
                    continue
                path.write_bytes(data)
                kinds[kind] += 1
                try:
                    SearchIndex.load(folder, mapped=bool(number % 2))
                except UserError:
                    refused += 1
    return {"changed": kinds.total(), "refused": refused, "kinds": dict(kinds)}
