"""How answers are printed: a table to read, JSON to go on with, CSV for a spreadsheet; each tells the mode."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from graphkit.search.matches import Matches

Format = Literal["auto", "table", "json", "csv"]
Answers = Sequence[tuple[str, "Matches"]]


def print_answers(answers: Answers, metric: str, format: Format) -> None:
    """Print each query with its matches; "auto" is a table on a terminal, otherwise one line of JSON a query."""
    printers: dict[str, Callable[[Answers, str], None]] = {
        "table": print_tables,
        "json": _print_json,
        "csv": _print_csv,
        "auto": print_tables if sys.stdout.isatty() else _print_json,
    }
    printers[format](answers, metric)


def _print_json(answers: Answers, metric: str) -> None:
    for query, matches in answers:
        found = [{"rank": m.rank, "name": m.name, "title": m.title, "score": m.score} for m in matches]
        line = {"query": query, "understood": matches.name, "mode": matches.mode, "metric": metric, "matches": found}
        print(json.dumps(line, ensure_ascii=False))


def _print_csv(answers: Answers, metric: str) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["query", "understood", "mode", "metric", "rank", "name", "title", "score"])
    for query, matches in answers:
        for m in matches:
            writer.writerow([query, matches.name, matches.mode, metric, m.rank, m.name, m.title, m.score])


def print_tables(answers: Answers, metric: str) -> None:
    """Print a table for each query."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for query, matches in answers:
        understood = "" if matches.name in (None, query) else f" → {matches.name}"
        titled = any(m.title for m in matches)
        console.print(Text(f"{query}{understood} ({matches.mode}) · {metric}", style="bold"))
        table = Table(box=None)
        table.add_column("", justify="right")
        table.add_column("name", overflow="fold")
        if titled:
            table.add_column("title", overflow="fold")
        table.add_column("score", justify="right")
        for m in matches:
            # Text, for a name such as "[deleted]" is not markup
            cells: list[str | Text] = [
                str(m.rank),
                Text(m.name),
                *([Text(m.title)] if titled else []),
                f"{m.score:.4f}",
            ]
            table.add_row(*cells)
        console.print(table)
