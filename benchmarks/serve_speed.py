"""A served index at a steady rate of requests, and while new ones are saved; what benchmarks/serve.py measures."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from serve_load import TOKEN, load_process, service

from graphkit import SearchIndex

ROOT = Path(__file__).resolve().parent.parent
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
