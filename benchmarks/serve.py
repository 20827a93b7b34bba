"""What `graphkit serve` keeps up with: a million vectors, new indexes, clients that mean no good, damaged files.

    python benchmarks/serve.py steady --seconds 600      load, p50 to p99 at 200 requests a second, memory
    python benchmarks/serve.py swaps --swaps 50          8 readers while builders save and are killed
    python benchmarks/serve.py hostile                   each bad request, and what good ones take meanwhile
    python benchmarks/serve.py damaged --times 10_000    FAISS's file with a change in it
    python benchmarks/serve.py table                     docs/results/serve.md from what these wrote

The service runs as the command in a process of its own, requests come from another over keep-alive connections on
loopback. They are sent by the clock, whether answers have come or not (an open loop), and times count from the moment
a request was due: a service that stalls for a second is charged with all the requests of that second. Vectors lie
around random centres, `--spread` away; the larger, the more lists an index has to visit. They are kept in
`--folder` for the next time. Each measure writes a line to docs/results/serve.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from serve_load import TOKEN, load_process, service

from graphkit import SearchIndex
from neuralcore.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "serve.md"
NUMBERS = OUT.with_suffix(".json")
DIMENSION = 100
BUILDER = """
import sys
import numpy as np
from graphkit import SearchIndex
folder, number, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
names = [f"entity {i} " for i in range(rows)]
while True:
    number += 1
    matrix = np.random.default_rng(number).normal(size=(rows, 32)).astype(np.float32)
    SearchIndex.build(matrix, names, attributes={"number": [number] * rows}).save(folder)
    print(number, flush=True)
"""


# ---- the measures


def made_index(folder: Path, rows: int, spread: float, factory: str) -> Path:
    """An index of vectors around rows / 50 centres, built once."""
    path = folder / f"{rows}_{spread}_{factory.replace(',', '_')}"
    if not (path / "manifest.json").is_file():
        draw = np.random.default_rng(0)
        centres = draw.normal(size=(max(rows // 50, 1), DIMENSION)).astype(np.float32)
        matrix = centres[draw.integers(0, len(centres), rows)]
        for start in range(0, rows, 100_000):
            part = matrix[start : start + 100_000]
            part += spread * draw.standard_normal(part.shape, np.float32)
        SearchIndex.build(matrix, [f"entity {i} " for i in range(rows)], factory=factory).save(path)
    return path


def steady(arguments: argparse.Namespace) -> dict[str, Any]:
    """Loading, latency and memory at a steady rate."""
    path = made_index(arguments.folder, arguments.rows, arguments.spread, arguments.factory)
    faiss.omp_set_num_threads(1)
    SearchIndex.load(path, mapped=True)  # the file is in the system's cache, as it is after a save
    start = time.perf_counter()
    index = SearchIndex.load(path, mapped=True)
    loaded = time.perf_counter() - start
    effort = "".join(f", {name} {value}" for name, value in index.effort.items())
    kind, recall = index.factory + effort, index.recall
    del index
    with service(path) as started:
        first = started.metrics()
        process = load_process(started.port, arguments.rows, arguments.rate, arguments.seconds, arguments.connections)
        memory = []
        while process.poll() is None:
            time.sleep(min(5.0, arguments.seconds / 10))
            memory.append(started.metrics()["process_resident_memory_bytes"] / 1e6)
        out, _ = process.communicate()
        last = started.metrics()
        found = json.loads(out)
        cpu = last["process_cpu_seconds_total"] - first["process_cpu_seconds_total"]
        quarter = max(len(memory) // 4, 1)  # names and lists are mapped in while they are first looked at
        return found | {
            "rows": arguments.rows,
            "spread": arguments.spread,
            "kind": kind,
            "recall": recall,
            "seconds": arguments.seconds,
            "rate": arguments.rate,
            "load_s": loaded,
            "start_s": started.seconds,
            "cpu_ms": 1000 * cpu / found["requests"],
            "memory_mb": {"first_quarter": max(memory[:quarter]), "last_quarter": max(memory[-quarter:])},
            "open_files": [first["process_open_fds"], last["process_open_fds"]],
        }


def swaps(arguments: argparse.Namespace) -> dict[str, Any]:
    """Readers while builders save new indexes and are killed."""
    rows, draw = arguments.rows, random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        matrix = np.random.default_rng(0).normal(size=(rows, 32)).astype(np.float32)
        names = [f"entity {i} " for i in range(rows)]
        SearchIndex.build(matrix, names, attributes={"number": [0] * rows}).save(folder)
        with service(folder) as started:
            stop, lock, errors = threading.Event(), threading.Lock(), Counter[str]()
            seen: dict[str, set[int]] = {}
            answers = [0]

            def read() -> None:
                some = random.Random(threading.get_ident())
                while not stop.is_set():
                    picked = [f"entity {some.randrange(rows)} " for _ in range(8)]
                    body = json.dumps({"queries": picked, "k": 10}).encode()
                    asked = urllib.request.Request(
                        f"http://127.0.0.1:{started.port}/search",
                        body,
                        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
                    )
                    try:
                        with urllib.request.urlopen(asked, timeout=30) as answer:
                            found = json.load(answer)
                    except Exception as error:  # counted, whatever it is
                        with lock:
                            errors[repr(error)] += 1
                        continue
                    numbers = {m["attributes"]["number"] for each in found["answers"] for m in each["matches"]}
                    with lock:
                        answers[0] += 1
                        seen.setdefault(found["index"], set()).update(numbers)

            readers = [threading.Thread(target=read) for _ in range(arguments.readers)]
            for reader in readers:
                reader.start()
            number = kills = 0
            memory: list[float] = []
            begin = time.monotonic()
            while started.metrics()["graphkit_swaps_total"] < arguments.swaps:
                command = [sys.executable, "-c", BUILDER, str(folder), str(number), str(rows)]
                environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
                builder = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
                assert builder.stdout is not None
                for _ in range(draw.randrange(3, 8)):
                    number = int(builder.stdout.readline())
                    time.sleep(0.5)
                time.sleep(draw.random() * 0.2)
                builder.kill()
                builder.communicate()
                kills += 1
                number += 1  # it may have been written, and not told
                memory.append(started.metrics()["process_resident_memory_bytes"] / 1e6)
            stop.set()
            for reader in readers:
                reader.join()
            end = started.metrics()
        mixed = sum(len(numbers) > 1 for numbers in seen.values())
        return {
            "rows": rows,
            "readers": arguments.readers,
            "swaps": int(end["graphkit_swaps_total"]),
            "refused": int(end["graphkit_refused_indexes_total"]),
            "kills": kills,
            "answers": answers[0],
            "errors": dict(errors),
            "versions_seen": len(seen),
            "mixed": mixed,
            "seconds": time.monotonic() - begin,
            "memory_mb": {"first": memory[0], "last": memory[-1]},
        }


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


# ---- what is written


def row(*cells: Any) -> str:
    """A line of a table; numbers with two digits behind the point where they have one."""
    return "| " + " | ".join(f"{each:,.2f}" if isinstance(each, float) else str(each) for each in cells) + " |"


def grid(names: str, *rows: str) -> str:
    """A table under the names of its columns."""
    count = names.count("|") + 1
    return "\n".join([f"| {names} |", "|---|" + "--:|" * (count - 1), *rows])


def latency(found: dict[str, Any]) -> list[Any]:
    """Cells: requests, those that were not answered by 200, percentiles in ms."""
    return [
        f"{found['requests']:,}",
        found["requests"] - found["statuses"].get("200", 0),
        *found["ms"].values(),
    ]


LATENCY = "requests | not 200 | p50 ms | p90 | p99 | p99.9 | max"


def of_steady(found: dict[str, Any]) -> str:
    memory = found["memory_mb"]
    return f"""## A steady rate

{found["rows"]:,} rows of {DIMENSION} numbers around random centres (spread {found["spread"]}): {found["kind"]},
recall@10 {found["recall"]:.3f}; `GET /search` by name, 10 neighbours, {found["rate"]:g} requests a second for
{found["seconds"]:g} seconds.

{grid(LATENCY, row(*latency(found)))}

{
        grid(
            "load, mapped, s | command to first answer, s | CPU ms a request | MB, first quarter | MB, last quarter",
            row(found["load_s"], found["start_s"], found["cpu_ms"], memory["first_quarter"], memory["last_quarter"]),
        )
    }

The load hashes every byte. Memory is what is resident, with those pages of the mapped files that were looked at."""


def of_swaps(found: dict[str, Any]) -> str:
    cells = [found[name] for name in ("swaps", "kills", "answers", "versions_seen")]
    cells += [sum(found["errors"].values()), found["mixed"], found["refused"], *found["memory_mb"].values()]
    return f"""## Index after index

{found["readers"]} readers ask for 8 names at a time while builders save new indexes of {found["rows"]:,} rows into
the served folder and are killed at random. All rows of an index carry its number; an answer is mixed where two of its
matches differ in that, or two answers of one version do.

{grid("swaps | kills | answers | versions seen | errors | mixed | refused | MB, first | MB, last", row(*cells))}"""


def of_hostile(found: dict[str, Any]) -> str:
    bad = [
        row(name, ", ".join(map(str, one["statuses"])), one["times"], one["slowest_s"])
        for name, one in found["bad"].items()
    ]
    good = [row(name, *latency(one)) for name, one in found["good"].items()]
    return f"""## Clients that mean no good

{grid("request | status | times | slowest, s", *bad)}

Good requests meanwhile, at a steady rate:

{grid(f"| {LATENCY}", *good)}"""


def of_damaged(found: dict[str, Any]) -> str:
    return f"""## Damaged files

FAISS's files of a Flat, an HNSW and an IVF index, of which one bit, 8 bytes anywhere or 8 of the first 64 were
changed, or the end cut off or made longer: {found["refused"]:,} of {found["changed"]:,} were refused."""


def table() -> None:
    """docs/results/serve.md."""
    numbers = json.loads(NUMBERS.read_text())
    parts = [
        """# graphkit serve: speed, new indexes, hostile clients, damaged files

The service is a process of its own; requests come from another, over keep-alive connections on loopback, sent by the
clock, with times from the moment a request was due."""
    ]
    for name, written in (
        ("steady", of_steady),
        ("swaps", of_swaps),
        ("hostile", of_hostile),
        ("damaged", of_damaged),
    ):
        if name in numbers:
            parts += [written(numbers[name]), numbers[name]["made_by"]]
    OUT.write_text("\n\n".join(parts) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measures = {"steady": steady, "swaps": swaps, "hostile": hostile, "damaged": damaged}
    parser.add_argument("measure", choices=[*measures, "table"])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "graphkit_serve")
    parser.add_argument("--rows", type=int, help="1,000,000 in steady, 20,000 in swaps and hostile")
    parser.add_argument("--spread", type=float, default=0.5)
    parser.add_argument("--factory", default="auto")
    parser.add_argument("--seconds", type=float, help="600 in steady, 10 of each load in hostile")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--held", type=int, default=1_000, help="silent connections")
    parser.add_argument("--times", type=int, default=10_000, help="changes to a file")
    arguments = parser.parse_args()
    if arguments.measure == "table":
        table()
        return
    arguments.rows = arguments.rows or (1_000_000 if arguments.measure == "steady" else 20_000)
    arguments.seconds = arguments.seconds or (600.0 if arguments.measure == "steady" else 10.0)
    found = measures[arguments.measure](arguments)
    where = f"Python {platform.python_version()}, FAISS {faiss.__version__}, {os.cpu_count()} cores"
    found["made_by"] = f"`python benchmarks/serve.py {' '.join(sys.argv[1:])}`, {date.today():%Y-%m-%d}, {where}"
    numbers = json.loads(NUMBERS.read_text()) if NUMBERS.is_file() else {}
    NUMBERS.write_text(json.dumps({**numbers, arguments.measure: found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    table()


if __name__ == "__main__":
    main()
