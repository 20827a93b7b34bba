"""A small graph that is served, and a real browser whose every request and complaint is listened to.

The browser is a Chromium that is there: `GRAPHKIT_CHROMIUM`, or one on the path.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.embedding.config import EmbedConfig, RelationConfig
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.graphs.graph import Graph

TOKEN = "a-token-for-the-tests"
PATIENCE = 60  # seconds that something on the page may take where other work is done as well
READS = "willReadFrequently"  # Chromium's advice to tests that read the canvas
HOSTILE = '<img src=x onerror="window.hit=1">\'"&amp;${1}{{2}}</script>'
LONG = "a name of five hundred letters " * 16
PEOPLE = ["king", "queen", "prince", "princess", "King Lear", HOSTILE, "\u202egnik", "皇帝", "duke - earl", LONG]
FILMS = [f"film {number}" for number in range(300)]
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def chromium() -> str | None:
    """A Chromium of this machine."""
    named = os.environ.get("GRAPHKIT_CHROMIUM")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    return named or next((path for path in found if path), None)


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., str]]:
    """Runs `graphkit serve FOLDER …` as a process, and gives the address of its page; all end with the tests."""
    processes = []

    def served(folder: Path, *words: str) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "graphkit.cli", "serve", str(folder), "--port", "0", *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GRAPHKIT_TOKEN": TOKEN},
        )
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                return found[0].split("?")[0]
        raise AssertionError(f"no address was printed, code {process.wait()}")

    yield served
    for process in processes:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="session")
def token() -> str:
    """What a service without --without-token asks for."""
    return TOKEN


@pytest.fixture(scope="session")
def hostile() -> str:
    """An entity's name that would be markup, a template and the end of a script."""
    return HOSTILE


@pytest.fixture(scope="session")
def films() -> GraphEmbedding:
    """People and films; of "directed" only the tails were trained."""
    rng = np.random.default_rng(0)
    count = len(PEOPLE)
    edges = [(i % count, 0, count + i) for i in range(len(FILMS))]
    edges += [(i % count, 1, count + i) for i in rng.permutation(len(FILMS))[:100]]
    edges += [(i, 2, (i + 1) % 4) for i in range(4)]
    graph = Graph.of(
        [*PEOPLE, *FILMS],
        ["acted in", "directed", "married to"],
        np.array(edges),
        [""] * count + [f"The Title {number}" for number in range(len(FILMS))],
        types={"person": count, "film": len(FILMS)},
        sides=[("person", "film"), ("person", "film"), ("person", "person")],
    )
    config = EmbedConfig(dimension=16, epochs=3, batch_size=50, negatives=20, operator="diagonal")
    return GraphEmbedding(graph, config, seed=1, relations={"directed": RelationConfig(sides="tails")}).fit()


@pytest.fixture(scope="session")
def address(films: GraphEmbedding, serve: Callable[..., str]) -> Iterator[str]:
    """Where the graph is served, without a token."""
    with tempfile.TemporaryDirectory() as folder:
        films.save(Path(folder) / "run" / "vectors")
        yield serve(Path(folder) / "run", "--without-token")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install 'rlgraphkit[browser]'"
    )
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on the path: install one, or name it by GRAPHKIT_CHROMIUM")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=path, args=FLAGS.split())
        yield launched
        launched.close()


@dataclass
class Watch:
    """What a page did that it should not: all of it has to be empty, but for what a test expects and takes away."""

    complaints: list[str]

    def expect(self, pattern: str) -> None:
        """Take away complaints that a test provokes; there has to be one."""
        kept = [line for line in self.complaints if not re.search(pattern, line)]
        assert len(kept) < len(self.complaints), f"no {pattern!r} in {self.complaints}"
        self.complaints[:] = kept


def until(page: Any, true: str) -> None:
    """Wait for a condition on a page; playwright's own way needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(true):
        assert time.monotonic() < end, f"never came: {true}"
        page.wait_for_timeout(30)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a new context; fails at the end if a page asked elsewhere, or complained.

    Args of what it gives: the address with its hash; `ready`, whether to wait for the map; `routes`, path ->
    handler, answers in the place of the service's; others are the context's.
    """
    contexts = []
    watches = []

    def opened(address: str, *, ready: bool = True, routes: dict[str, Any] | None = None, **settings: Any) -> Any:
        settings.setdefault("viewport", {"width": 1200, "height": 800})
        context = browser.new_context(**settings)
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.watch = watch = Watch([])
        page.until = functools.partial(until, page)
        watches.append(watch)
        origin = re.match(r"\w+://[^/]+", address)[0]  # type: ignore[index]

        def asked(request: Any) -> None:
            if not request.url.startswith((f"{origin}/", "data:")):
                watch.complaints.append(f"asked {request.url}")

        page.on("request", asked)
        page.on("pageerror", lambda error: watch.complaints.append(f"error {error}"))
        page.on("console", lambda said: watch.complaints.append(f"{said.type} {said.text} {said.location}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"
        )
        for path, handler in (routes or {}).items():
            page.route(f"{origin}/{path}", handler)
        page.goto(address)
        if ready:
            page.wait_for_selector("#map[data-drawn]:not([data-drawn='0'])")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [line for watch in watches for line in watch.complaints if READS not in line] == []
