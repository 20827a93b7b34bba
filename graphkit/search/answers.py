"""How answers are printed: a table to read, JSON to go on with, CSV for a spreadsheet; each tells the mode."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

if TYPE_CHECKING:
    from graphkit.search.matches import Matches, RelationMatches

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


def _of_edge(matches: Matches) -> TypeGuard[RelationMatches]:
    return matches.mode == "relation"


def _metric(matches: Matches, metric: str) -> str:
    """What its scores are by: a relation's by the model's comparator, whatever the index goes by."""
    return matches.metric if _of_edge(matches) else metric


def _print_json(answers: Answers, metric: str) -> None:
    for query, matches in answers:
        found = [{"rank": m.rank, "name": m.name, "title": m.title, "score": m.score} for m in matches]
        line: dict[str, Any] = {
            "query": query,
            "understood": matches.name,
            "mode": matches.mode,
            "metric": _metric(matches, metric),
        }
        if _of_edge(matches):
            line |= {**matches.ask._asdict(), "asked": matches.ask.asked, "modes": matches.modes}
        line["matches"] = found
        print(json.dumps(line, ensure_ascii=False))


def _print_csv(answers: Answers, metric: str) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["query", "understood", "mode", "metric", "rank", "name", "title", "score"])
    for query, matches in answers:
        for m in matches:
            told = [query, matches.name, matches.mode, _metric(matches, metric)]
            writer.writerow([*told, m.rank, m.name, m.title, m.score])


def print_tables(answers: Answers, metric: str) -> None:
    """Print a table for each query."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for query, matches in answers:
        understood = "" if matches.name in (None, query) else f" → {matches.name}"
        mode: str = matches.mode
        if _of_edge(matches):
            mode += "".join(f", {part} {how}" for part, how in matches.modes.items() if how != "exact")
        titled = any(m.title for m in matches)
        console.print(Text(f"{query}{understood} ({mode}) · {_metric(matches, metric)}", style="bold"))
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
