"""The page of `graphkit serve` with 50,000 points: when it is first painted, when the map is there, and how it moves.

    python benchmarks/page.py [--rounds 7]

Needs playwright and a Chromium, see docs/search_page.md. A service is started on vectors around random centres, and
each round opens the page in a new browser context, so that nothing is cached. Frames are those of wheel turns that go
near and back, one a frame; "draw" is the drawing of all points alone.

Writes docs/results/page.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

import neuralcore
from graphkit import SearchIndex

OUT = Path(__file__).parent.parent / "docs" / "results" / "page.md"
ROWS, DIMENSION, CENTRES = 50_000, 64, 20
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
MOVE = """async () => {
  const canvas = document.querySelector("#marks"), box = canvas.getBoundingClientRect(), times = [];
  const middle = {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, cancelable: true};
  for (let turn = 0, last = null; turn < 120; turn++) {
    canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: turn % 60 < 30 ? -60 : 60, ...middle}));
    const now = await new Promise(requestAnimationFrame);
    if (last !== null) times.push(now - last);
    last = now;
  }
  return times;
}"""
DRAW = """async () => {
  const {drawPoints, makeDisc} = await import("/static/points.js");
  const data = await (await fetch("map")).json();
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const points = new Float32Array(bytes(data.points).buffer), kinds = bytes(data.kind);
  const {width, height} = document.querySelector("#points");
  const pixels = new Uint32Array(width * height), colours = new Uint32Array(256).fill(0xff886644);
  const view = {x: 0, y: 0, scale: 0.46 * Math.min(width, height)}, disc = makeDisc(1.25, 0.5), times = [];
  for (let round = 0; round < 30; round++) {
    const start = performance.now();
    drawPoints(pixels, width, height, view, points, kinds, colours, disc);
    times.push(performance.now() - start);
  }
  return times;
}"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a page over `ROWS` random rows of `CENTRES` kinds."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, CENTRES, ROWS)
    matrix = 2 * rng.normal(size=(CENTRES, DIMENSION))[kind] + rng.normal(size=(ROWS, DIMENSION))
    names = [f"name {i}" for i in range(ROWS)]
    attributes = {"type": [f"kind {k}" for k in kind]}
    SearchIndex.build(matrix.astype(np.float32), names, attributes=attributes).save(folder / "index")
    command = [sys.executable, "-m", "graphkit.cli", "serve", str(folder / "index"), "--port", "0", "--without-token"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
    finally:
        process.terminate()
        process.communicate()


def measure(browser: Browser, address: str, density: int) -> dict[str, Any]:
    """One opening of the page, in milliseconds since it was asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 820}, device_scale_factor=density)
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(f"#map[data-drawn='{ROWS}']")
    start = "performance.getEntriesByName('{}')[0].startTime"
    out: dict[str, Any] = {
        "painted": page.evaluate(start.format("first-contentful-paint")),
        "map": page.evaluate(start.format("graphkit-map")),
        "move": page.evaluate(MOVE),
        "draw": page.evaluate(DRAW),
    }
    context.close()
    return out


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    chromium = os.environ.get("GRAPHKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    lines = []
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        version = browser.version
        measure(browser, address, 1)  # the service computes the map when it is first asked for
        for density in (1, 2):
            found = [measure(browser, address, density) for _ in range(rounds)]
            moves = sorted(t for each in found for t in each["move"])
            cells = []
            for key in ("painted", "map"):
                times = [each[key] for each in found]
                cells += [f"{number:,.0f}" for number in (min(times), statistics.median(times), max(times))]
            cells += [f"{moves[len(moves) // 2]:.1f}", f"{moves[len(moves) * 95 // 100]:.1f}"]
            cells += [f"{min(min(each['draw']) for each in found):.1f}"]
            lines.append(f"| {density} | " + " | ".join(cells) + " |")
        browser.close()
    OUT.write_text(
        f"# The page: first paint, and the map with {ROWS:,} points\n\n"
        f"`python benchmarks/page.py --rounds {rounds}`, {date.today()}, {neuralcore.__version__}; headless\n"
        f"Chromium {version} without a GPU, {platform.machine()}, {os.cpu_count()} cores that other work used\n"
        f"as well (load average {os.getloadavg()[0]:.0f}), the service on the same. {ROWS:,} rows of {DIMENSION}\n"
        f"numbers, {CENTRES} kinds, a window of\n"
        f"1280 x 820. Milliseconds since the page was asked for, of {rounds} openings with nothing\n"
        "cached; the service had computed the map before. Frames while the wheel is turned, one turn a frame\n"
        f"(16.7 is the screen's own rate); drawing all points, the best of {30 * rounds}.\n\n"
        "| pixels per CSS pixel | first paint, best | median | worst | map drawn, best | median | worst "
        "| frame, median | 95 % below | drawing |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        + "\n".join(lines)
        + "\n"
    )
    print(OUT.read_text())


if __name__ == "__main__":
    main()
