"""`graphkit search`: the names nearest to a name, in a run's vectors or in a saved index.

graphkit search runs/text8 king queen --k 5
graphkit search runs/wn18rr "dog.n.01" --format json | jq .matches[0].name
graphkit search runs/text8 --save-index indexes/text8
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from graphkit.search.index import Matches, SearchIndex


@dataclass(frozen=True)
class SearchArguments:
    """Find the names nearest to a name."""

    folder: Positional[Path]
    """A run folder, its vectors/ folder, or a folder written by --save-index."""
    queries: Positional[tuple[str, ...]] = ()
    """Names to search for: exact, else whatever the case, else the beginning of one name only. A name that starts
    with a dash comes after --."""
    k: int = 10
    """How many neighbours of each."""
    metric: Literal["cosine", "dot", "l2"] | None = None
    """What is near; cosine if not said. A saved index keeps its own."""
    format: Literal["auto", "table", "json", "csv"] = "auto"
    """How to print. auto: a table on a terminal, otherwise one line of JSON a query."""
    save_index: Path | None = None
    """A folder to write the index to, for later searches that need neither the run nor its model."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"--k {self.k}: ask for at least 1 neighbour")
        if not self.queries and self.save_index is None:
            raise ValueError("nothing to search for: name at least one query, or a folder with --save-index")


def search(arguments: SearchArguments) -> int:
    """Find the names nearest to a name."""
    index = load_index(arguments.folder, arguments.metric)
    # Every query is understood before anything is printed or written: a mistake leaves no half of an answer.
    answers = [(query, index.search(query, arguments.k)) for query in arguments.queries]
    if arguments.save_index is not None:
        index.save(arguments.save_index)
        print(f"{len(index):,} rows of dimension {index.dimension} in {arguments.save_index}", file=sys.stderr)
    printers = {"table": _print_tables, "json": _print_json, "csv": _print_csv}
    printers["auto"] = _print_tables if sys.stdout.isatty() else _print_json
    printers[arguments.format](answers, index.metric)
    return 0


def load_index(folder: Path, metric: Literal["cosine", "dot", "l2"] | None = None) -> SearchIndex:
    """The index saved in a folder, or one built from the vectors of a run.

    Args:
        folder: a run folder, its `vectors/`, or a folder written by `SearchIndex.save`.
        metric: None is a saved index's own, and the cosine for vectors.

    Raises:
        UserError: the folder holds none of these, or one that is damaged, or an index of another metric.
    """
    from graphkit.search.folder import KIND
    from graphkit.search.index import SearchIndex
    from graphkit.vectors_folder import kind_of

    place = folder if (folder / "manifest.json").is_file() else folder / "vectors"
    if not (place / "manifest.json").is_file():
        raise UserError(_nothing_in(folder))
    kind = kind_of(place)
    if kind is None:
        raise UserError(
            f"{place / 'manifest.json'} is damaged, it does not say what it holds: save the vectors again"
        )
    source: Any
    if kind == KIND:
        index = SearchIndex.load(place)
        if metric not in (None, index.metric):
            raise UserError(
                f"{place} is an index by {index.metric}, not {metric}: search the run with --metric {metric}"
            )
        return index
    if kind == "word_vectors":
        from graphkit.words.vectors import WordVectors

        source = WordVectors.load(place)
    elif kind == "graph_embedding":
        from graphkit.embedding.embedding import GraphEmbedding

        source = GraphEmbedding.load(place).entities
    else:
        raise UserError(
            f"{place / 'manifest.json'}: kind {kind!r}: {nearest(kind, ['word_vectors', 'graph_embedding', KIND])}"
        )
    return SearchIndex.build(source, metric=metric or "cosine")


def _nothing_in(folder: Path) -> str:
    """Why there is nothing to search in a folder, and what to name instead."""
    if not folder.exists():
        siblings = [p.name for p in folder.absolute().parent.glob("*/")]
        return f"there is no folder {folder}" + (f": {nearest(folder.name, siblings)}" if siblings else "")
    if (folder / "checkpoints").is_dir():
        return (
            f"{folder} has no vectors yet, its run has not finished: start it again with the command it was made by"
        )
    return f"{folder} holds no vectors: name a run folder, its vectors/, or a folder written by --save-index"


def _print_json(answers: list[tuple[str, Matches]], metric: str) -> None:
    for query, matches in answers:
        found = [{"rank": m.rank, "name": m.name, "title": m.title, "score": m.score} for m in matches]
        line = {"query": query, "understood": matches.name, "mode": matches.mode, "metric": metric, "matches": found}
        print(json.dumps(line, ensure_ascii=False))


def _print_csv(answers: list[tuple[str, Matches]], metric: str) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["query", "understood", "mode", "metric", "rank", "name", "title", "score"])
    for query, matches in answers:
        for m in matches:
            writer.writerow([query, matches.name, matches.mode, metric, m.rank, m.name, m.title, m.score])


def _print_tables(answers: list[tuple[str, Matches]], metric: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for query, matches in answers:
        understood = "" if matches.mode == "exact" else f" → {matches.name} ({matches.mode})"
        titled = any(m.title for m in matches)
        console.print(Text(f"{query}{understood} · {metric}", style="bold"))
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
