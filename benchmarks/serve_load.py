"""`graphkit serve` as a process, and a load of requests from another; what benchmarks/serve.py measures with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "a-token-for-the-benchmark"


@dataclass
class Started:
    """A service: its process, its port, and how long it took until it answered."""

    process: subprocess.Popen[str]
    port: int
    seconds: float
    log: list[str]

    def get(self, path: str) -> bytes:
        """One request from here."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.read()

    def metrics(self) -> dict[str, float]:
        """The numbers of /metrics without labels."""
        lines = self.get("/metrics").decode().splitlines()
        return {m[1]: float(m[2]) for line in lines if (m := re.fullmatch(r"([a-z_]+) ([0-9.e+]+)", line))}


@contextlib.contextmanager
def service(folder: Path, *words: str) -> Iterator[Started]:
    """`graphkit serve` on a free port, stopped in the end by SIGTERM; a status other than 0 is an error."""
    command = [sys.executable, "-m", "graphkit.cli", "serve", str(folder), "--port", "0", *words]
    start = time.perf_counter()
    environment = {**os.environ, "GRAPHKIT_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        port = 0
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                port = int(found[1])
                break
        if not port:
            sys.exit(process.stderr.read())
        log: list[str] = []
        threading.Thread(target=log.extend, args=(process.stderr,), daemon=True).start()
        started = Started(process, port, 0.0, log)
        for _ in range(1000):
            with contextlib.suppress(OSError):
                started.get("/health")
                break
            time.sleep(0.01)
        started.seconds = time.perf_counter() - start
        yield started
        process.send_signal(signal.SIGTERM)
        if process.wait(30) != 0:
            sys.exit("".join(log))
    finally:
        process.kill()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> int:
    """Ask once and read the answer; returns its status."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", answer)
    await reader.readexactly(int(length))
    return int(answer[9:12])


async def generate(port: int, paths: list[str], rate: float, seconds: float, connections: int) -> dict[str, Any]:
    """Requests at a steady rate, each from the moment it was due; the first second is not counted."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    times: list[float] = []
    statuses: Counter[str] = Counter()
    clock = asyncio.get_running_loop().time
    begin = clock()

    async def one(due: float, path: str) -> None:
        pair = await free.get()
        try:
            status = str(await asyncio.wait_for(_connection(*pair, path), 30))
        except Exception as error:  # counted, whatever it is
            status = type(error).__name__
            pair[1].close()
            pair = await asyncio.open_connection("127.0.0.1", port)
        free.put_nowait(pair)
        if due > begin + 1:
            statuses[status] += 1
            times.append(clock() - due)

    tasks = set()
    for number in range(int(rate * (seconds + 1))):
        due = begin + number / rate
        if (wait := due - clock()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(due, paths[number % len(paths)]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    found = np.percentile(np.array(times) * 1000, [50, 90, 99, 99.9, 100])
    return {
        "requests": len(times),
        "statuses": dict(statuses),
        "ms": dict(zip(["p50", "p90", "p99", "p99.9", "max"], found.tolist())),
    }


def load_process(port: int, rows: int, rate: float, seconds: float, connections: int) -> subprocess.Popen[str]:
    """`generate` in another process; its standard output is the JSON."""
    settings = [str(each) for each in (port, rows, rate, seconds, connections)]
    command = [sys.executable, __file__, *settings]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def load(words: list[str]) -> None:
    """What `load_process` runs."""
    port, rows, rate, seconds, connections = int(words[0]), int(words[1]), *map(float, words[2:4]), int(words[4])
    draw = random.Random(0)
    paths = [f"/search?q=entity%20{draw.randrange(rows)}%20&k=10" for _ in range(5_000)]
    print(json.dumps(asyncio.run(generate(port, paths, rate, seconds, connections))))


if __name__ == "__main__":
    load(sys.argv[1:])
