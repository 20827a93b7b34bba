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
import json
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import faiss
from serve_attacks import damaged, hostile
from serve_speed import DIMENSION, steady, swaps

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "serve.md"
NUMBERS = OUT.with_suffix(".json")


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
