"""Indexes that are exchanged while readers go on and builders are killed, and files of which a byte has changed."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graphkit import SearchIndex
from graphkit.serve import workers
from graphkit.serve.connections import server
from graphkit.serve.metrics import Metrics
from graphkit.serve.service import application
from graphkit.serve.serving import Serving
from neuralcore.errors import UserError

pytestmark = pytest.mark.faults
ROOT = Path(__file__).resolve().parents[3]
ROWS = 2_000
BUILDER = f"""
import sys
import numpy as np
from graphkit import SearchIndex
folder, number = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
while True:
    number += 1
    matrix = np.random.default_rng(number).normal(size=({ROWS}, 8))
    names = [f"name {{i}}." for i in range({ROWS})]
    SearchIndex.build(matrix, names, attributes={{"number": [number] * {ROWS}}}).save(folder)
    print(number, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    matrix = np.random.default_rng(0).normal(size=(ROWS, 8))
    names = [f"name {i}." for i in range(ROWS)]
    return SearchIndex.build(matrix, names, attributes={"number": [0] * ROWS}).save(tmp_path / "index")


@pytest.fixture
def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Serving, Metrics]]:
    monkeypatch.setattr(workers, "LOOKED", 0.01)
    metrics = Metrics()
    serving = Serving(folder, metrics=metrics)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        made = server(application(serving, metrics, token=None), metrics)
        started = threading.Event()
        made.ready = started.set
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
        thread.start()
        started.wait(60)
        yield listener.getsockname()[1], serving, metrics
        made.should_exit = True
        thread.join(60)


def test_readers_see_whole_indexes_while_builders_are_killed(
    folder: Path, served: tuple[int, Serving, Metrics]
) -> None:
    port, _, _ = served
    stop, errors, seen = threading.Event(), [], dict[str, set[int]]()
    body = json.dumps({"queries": [f"name {i}." for i in range(0, ROWS, 100)], "k": 5})

    def read() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not stop.is_set():
            connection.request("POST", "/search", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                errors.append(text)
                continue
            found = json.loads(text)
            numbers = {m["attributes"]["number"] for each in found["answers"] for m in each["matches"]}
            seen.setdefault(found["index"], set()).update(numbers)
        connection.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    draw, number, kills = random.Random(0), 0, 0
    deadline = time.monotonic() + 240
    while (kills < 4 or len(seen) < 6) and time.monotonic() < deadline:
        process = subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(folder), str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(draw.randrange(1, 4)):
            number = int(process.stdout.readline())
        time.sleep(draw.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        number += 1  # it may have been written, and not told
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert len(seen) >= 6
    assert all(len(numbers) == 1 for numbers in seen.values())  # an answer is of one index
    assert len({min(numbers) for numbers in seen.values()}) == len(seen)
    assert len(SearchIndex.load(folder)) == ROWS  # and what the kills left is whole


def test_files_of_which_something_has_changed_are_refused(folder: Path, served: tuple[int, Serving, Metrics]) -> None:
    _, serving, _ = served
    draw = random.Random(0)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for _ in range(100):
            data = bytearray(whole)
            kind = draw.randrange(4)
            if kind == 0:
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del data[draw.randrange(len(data)) :]
            elif kind == 2:
                data += bytes([draw.randrange(256)])
            else:
                start = draw.randrange(len(data) - 8)
                data[start : start + 8] = draw.randbytes(8)
            if data == whole:
                continue
            path.unlink()  # a new file: what is mapped is not written over
            path.write_bytes(data)
            with pytest.raises(UserError):
                SearchIndex.load(folder, mapped=True)
        path.unlink()
        path.write_bytes(whole)
    assert serving.reload() is False
