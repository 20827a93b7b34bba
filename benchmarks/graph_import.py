"""`graphkit import` beside pandas: CPU-seconds and peak memory for the same generated edge list.

    python benchmarks/graph_import.py [--edges 10_000_000] [--nodes 1_000_000] [--peer PEER/bin/python]

The edges are head, relation, tail with names of digits, ends drawn from a power law, 10 relations. Each contender
has a process of its own. Ours writes its whole folder: names numbered, edges, duplicates and self-loops counted,
hashes. "dict" numbers the same batches in another way, to justify the one that was chosen: Arrow's dictionary
encoding of each batch, and its different names through a Python dict; it stops there. "pandas", run by a Python
that has it, is read_csv and factorize, and stops there, too. CPU-seconds are user and system time of all threads,
with what a process imports and loads from numba's cache; compiling is done before. docs/results/graph_import.md is
written anew.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "graph_import.md"
MEASURE = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print("MEASURED", used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
OURS = """
import sys
from graphkit.graphs.importers import import_graph
print(str(import_graph([sys.argv[1]], sys.argv[2])).split(": ", 1)[1].replace("\\n", "; "))
"""
DICT = """
import sys
import numpy as np
import pyarrow
from pathlib import Path
from graphkit.graphs.edge_sources import Layout, Reader
known, edges = [{}, {}], 0
def numbers(column, table):
    data, offsets = column
    array = pyarrow.LargeBinaryArray.from_buffers(
        pyarrow.large_binary(), len(offsets) - 1, [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)])
    encoded = array.dictionary_encode()
    of = np.array([table.setdefault(name, len(table)) for name in encoded.dictionary.to_pylist()], np.int32)
    return of[encoded.indices.to_numpy()]
for batch in Reader(Layout()).read(Path(sys.argv[1])):
    for column, table in zip((batch.heads, batch.relations, batch.tails), (known[0], known[1], known[0])):
        numbers(column, table)
    edges += len(batch)
print(edges, "edges,", len(known[0]), "names")
"""
PANDAS = """
import sys
import numpy as np
import pandas
table = pandas.read_csv(sys.argv[1], sep="\\t", header=None, names=["head", "relation", "tail"], dtype=str)
ends, names = pandas.factorize(np.concatenate([table["head"].to_numpy(), table["tail"].to_numpy()]))
relations, kinds = pandas.factorize(table["relation"])
print(len(table), "edges,", len(names), "names, pandas", pandas.__version__)
"""


def generate(path: Path, edges: int, nodes: int) -> None:
    import pyarrow
    import pyarrow.csv

    rng = np.random.default_rng(0)
    with pyarrow.OSFile(str(path), "wb") as file:
        for start in range(0, edges, 1 << 20):
            count = min(1 << 20, edges - start)
            ends = (nodes * rng.random((2, count)) ** 3).astype(np.int64)
            kinds = rng.integers(10, size=count)
            columns = {"head": ends[0] * 7919 % nodes, "relation": kinds, "tail": ends[1] * 104729 % nodes}
            options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
            pyarrow.csv.write_csv(pyarrow.table(columns), file, write_options=options)


def measured(python: str, script: str, *words: str) -> tuple[float, float, str]:
    """CPU-seconds, peak MB and what was printed."""
    root = str(RESULTS.parents[2])
    done = subprocess.run(
        [python, "-c", script + MEASURE, *words],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    *printed, last = done.stdout.strip().splitlines()
    _, cpu, peak = last.split()
    return float(cpu), float(peak), "; ".join(printed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--peer", help="a Python that has pandas")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        generate(folder / "small.tsv", 1000, 100)
        measured(sys.executable, OURS, str(folder / "small.tsv"), str(folder / "small"))  # compiles
        file = folder / "edges.tsv"
        generate(file, arguments.edges, arguments.nodes)
        size = file.stat().st_size / 2**20
        contenders = [("graphkit import", sys.executable, OURS), ("its reader, with a dict", sys.executable, DICT)]
        contenders += [("pandas", arguments.peer, PANDAS)] if arguments.peer else []
        for name, python, script in contenders:
            cpu, peak, printed = measured(python, script, str(file), str(folder / "out"))
            print(f"{name}: {cpu:.1f} CPU-s, {peak:.0f} MB; {printed}", flush=True)
            rows.append(f"| {name} | {cpu:.1f} | {arguments.edges / cpu:,.0f} | {peak:,.0f} | {printed} |")
    table = "\n".join(rows)
    RESULTS.write_text(
        f"""# Importing a graph

{arguments.edges:,} edges of {arguments.nodes:,} names, {size:,.0f} MB of TSV; {date.today()},
{platform.machine()}, {os.cpu_count()} processors that other work was using as well. Peak memory is that of the
whole process, with Python and numba in it, and counts pages of mapped files.

| | CPU-s | edges per CPU-s | peak MB | |
|---|---:|---:|---:|---|
{table}

Command: `python benchmarks/graph_import.py --edges {arguments.edges} --nodes {arguments.nodes}`;
what is measured is said at the head of that file.
"""
    )


if __name__ == "__main__":
    main()
