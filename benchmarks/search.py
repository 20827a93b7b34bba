"""What SearchIndex costs beside raw FAISS: queries per CPU-second at the same index, and loading a million rows.

    python benchmarks/search.py

Vectors lie around random centres and have length one; the larger `--spread`, the less of the centres is left, and
the harder approximate indices have to look. FAISS runs on one thread. Both sides search the same FAISS object with
the same setting, so recall is the same by construction; it is printed as the build measured it. Loading is measured
in a process of its own.
Writes docs/results/search.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import faiss
import numpy as np

import neuralcore
from graphkit import SearchIndex
from graphkit.search.nearest_rows import SPARE
from neuralcore.checkpoint import sha256

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "search.md"
DIMENSION, K = 100, 10
LOAD = """
import json, resource, sys, time
from graphkit import SearchIndex
import faiss, numba, numpy, pyarrow.ipc, pyarrow.compute  # what is imported is not timed
faiss.omp_set_num_threads(1)
def own():
    return [int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("RssAnon")][0] / 1024
before, wall, cpu = own(), time.perf_counter(), time.process_time()
index = SearchIndex.load(sys.argv[1], mapped=sys.argv[2] == "mapped")
out = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "own": own() - before}
asked = ("first", "entity 77 "), ("second", "entity 78 "), ("folded", "ENTITY 79 "), ("folded again", "ENTITY 80 ")
for what, query in asked:
    cpu = time.process_time()
    index.search(query)
    out[what] = time.process_time() - cpu
out["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(out))
"""


def vectors(rows: int, spread: float) -> np.ndarray:
    """(N, D) float32 of length one around N / 50 centres."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(rows // 50, DIMENSION)).astype(np.float32)
    out = centres[draw.integers(0, len(centres), rows)]
    for start in range(0, rows, 100_000):
        part = out[start : start + 100_000]
        part += spread * draw.standard_normal(part.shape, np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def rates(searches: Sequence[Callable[[], Any]], count: int, rounds: int) -> list[float]:
    """Queries per CPU-second of each, the best of some rounds, in which they take turns."""
    times: list[list[float]] = [[] for _ in searches]
    for _ in range(rounds):
        for search, mine in zip(searches, times):
            start = time.process_time()
            search()
            mine.append(time.process_time() - start)
    return [count / min(mine) for mine in times]


def speeds(index: SearchIndex, queries: np.ndarray, names: list[str], rounds: int) -> str:
    """A row of the table: FAISS and SearchIndex, in a batch, one by one, and by name."""
    raw, count = index.faiss, len(queries)
    pairs = [
        (lambda: raw.search(queries, K), lambda: index.search(queries, K)),
        (
            lambda: [raw.search(query[None], K) for query in queries],
            lambda: [index.search(query, K) for query in queries],
        ),
        (
            lambda: [raw.search(raw.reconstruct(row)[None], K + 1) for row in range(count)],
            lambda: [index.search(name, K) for name in names[:count]],
        ),
    ]
    cells = []
    for theirs, ours in pairs:
        a, b = rates((theirs, ours), count, rounds)
        cells += [f"{a:,.0f}", f"{b:,.0f} ({100 * (b / a - 1):+.0f} %, {1e6 * (1 / b - 1 / a):+.0f} µs)"]
    effort = "".join(f" {name} {value}" for name, value in index.effort.items())
    row = f"| {index.factory}{effort} | {index.recall:.3f} | {' | '.join(cells)} |"
    print(row, flush=True)
    return row


def loads(folder: Path) -> list[str]:
    """Rows of the table of loading: mapped and not."""
    (file,) = folder.glob("*.faiss")
    start = time.process_time()
    sha256(file)
    hashed = time.process_time() - start
    rows = []
    for how in ("mapped", "in memory"):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", LOAD, str(folder), how]
        found = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
        times = [f"{found[name]:.2f}" for name in ("wall", "cpu")] + [f"{hashed:.2f}"]
        sizes = [f"{found[name]:,.0f}" for name in ("own", "peak")]
        firsts = [f"{1000 * found[name]:,.1f}" for name in ("first", "second", "folded", "folded again")]
        rows.append(f"| {how} | {file.stat().st_size / 1e6:,.0f} | {' | '.join([*times, *sizes, *firsts])} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000, help="rows of the speeds")
    parser.add_argument("--loaded", type=int, default=1_000_000, help="rows of the loads")
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--spread", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)

    matrix = vectors(arguments.rows, arguments.spread)
    names = [f"entity {i} " for i in range(arguments.rows)]
    queries = vectors(arguments.rows, arguments.spread)[-arguments.queries :] + np.float32(0.01)
    lists = int(4 * arguments.rows**0.5)
    table = [
        speeds(SearchIndex.build(matrix, names, factory=factory), queries, names, arguments.rounds)
        for factory in ("Flat", "HNSW32", f"IVF{lists},Flat")
    ]
    matrix = vectors(arguments.loaded, arguments.spread)
    names = [f"entity {i} " for i in range(arguments.loaded)]
    start = time.process_time()
    index = SearchIndex.build(matrix, names)
    built = time.process_time() - start
    del matrix
    with tempfile.TemporaryDirectory() as temporary:
        loaded = loads(index.save(Path(temporary) / "index"))
    effort = "".join(f", {name} {value}" for name, value in index.effort.items())
    (speed,) = rates([lambda: index.search(queries, K)], len(queries), arguments.rounds)

    OUT.write_text(f"""# Search: beside raw FAISS, and loading

`python benchmarks/search.py {" ".join(sys.argv[1:])}`, {date.today():%Y-%m-%d}, {neuralcore.__version__};
FAISS {faiss.__version__} (one thread), Python {platform.python_version()}, {platform.machine()},
{os.cpu_count()} cores. {arguments.rows:,} rows of {DIMENSION} numbers around random centres (spread
{arguments.spread}), cosine, {K} neighbours, {len(queries):,} queries. Queries per CPU-second, the best of
{arguments.rounds} rounds in which both take turns, and what SearchIndex adds to a query; recall@10 is what
the build measured. "By row" FAISS is given row numbers, gives the rows back and searches; SearchIndex is given
names.

| index | recall@10 | FAISS, batch | SearchIndex | FAISS, one by one | SearchIndex | FAISS, by row | by name |
|---|--:|--:|--:|--:|--:|--:|--:|
{chr(10).join(table)}

Exact search asks FAISS for {SPARE} candidates more than are wanted and scores them anew in float64, so that ties and
nearly equal rows come in their true order. Names of matches become strings when they are looked at.

## Loading {arguments.loaded:,} rows of {DIMENSION} numbers

Built by `factory="auto"` in {built:,.0f} CPU-seconds: {index.factory}{effort}, recall@10 {index.recall:.3f},
{speed:,.0f} queries per CPU-second in a batch. Both loads hash every byte before FAISS or Arrow read one ("hash" is
that alone). "Own" is memory that is not a mapped file's, after the load; the peak has the queries too, and the
libraries.

| load | file MB | wall s | CPU s | hash CPU s | own MB | peak MB | 1st query ms | 2nd | 1st by folded name | 2nd |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{chr(10).join(loaded)}
""")


if __name__ == "__main__":
    main()
