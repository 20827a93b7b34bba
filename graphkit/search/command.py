"""`graphkit search`: the names nearest to a name, in a run's vectors or in a saved index.

graphkit search runs/text8 king queen --k 5
graphkit search runs/text8 "king - man + woman"
graphkit search runs/wn18rr "dog.n.01" --format json | jq .matches[0].name
graphkit search runs/movielens "Heat (1995)" --where type=movie
graphkit search runs/text8 --queries names.txt --format csv
graphkit search runs/countries --head berlin --relation "capital of"
graphkit search runs/countries "berlin, capital of, ?" "?, capital of, germany" "berlin, ?, germany" --new-only
graphkit search runs/articles --text "a striped animal of the savannah" --where type=article
graphkit search runs/text8 --save-index indexes/text8
graphkit search indexes/text8
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from graphkit.search.answers import print_answers
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.search.index import SearchIndex
    from graphkit.search.matches import Matches
    from graphkit.search.opened import Opened
    from graphkit.search.relation_names import Ask

BATCH = 1024  # queries of a file that are searched for at once


@dataclass(frozen=True)
class SearchArguments:
    """Find the names nearest to a name."""

    folder: Positional[Path]
    """A run folder, its vectors/ folder, or a folder written by --save-index; with --foreign a file of FAISS."""
    query: Positional[tuple[str, ...]] = ()
    """Names to search for: exact, else whatever the case, else the beginning of one name only; or "a - b + c" of
    three; or, in a trained graph, an edge with a ? in it: "berlin, capital of, ?". A name that starts with a dash
    comes after --. Without any, on a terminal: a prompt."""
    head: str | None = None
    """The head of an edge, with --relation or --tail: what completes it is found."""
    relation: str | None = None
    """Its relation; its name, or the beginning, the end or a part of one name only."""
    tail: str | None = None
    """Its tail."""
    text: tuple[str, ...] = ()
    """Free texts, in a graph trained with bags of words as features: the entities whose words and edges are like it.
    Of the type that has these features, unless --where names another."""
    new_only: bool = False
    """Leave out what completes an edge that the graph has."""
    k: int = 10
    """How many neighbours of each."""
    queries: Path | None = None
    """A file of more of them, one a line; - is the standard input."""
    where: tuple[str, ...] = ()
    """Conditions on attributes that all have to hold: type=film "year>=1990" country!=fr."""
    fuzzy: bool = False
    """Take the name that is spelt most alike where a query fits none."""
    metric: Literal["cosine", "dot", "l2"] | None = None
    """What is near; cosine if not said. A saved index keeps its own."""
    factory: str | None = None
    """How to search vectors: auto, if not said, or a FAISS factory string (Flat, HNSW32, IVF256,Flat). A saved index
    keeps its own."""
    recall: float | None = None
    """The share of the true 10 nearest that an index other than Flat is made to find; 0.95 if not said."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to search; cuda needs faiss-gpu."""
    foreign: Path | None = None
    """A file with the names of the rows, one a line: read a bare FAISS file, which no hash vouches for."""
    format: Literal["auto", "table", "json", "csv"] = "auto"
    """How to print. auto: a table on a terminal, otherwise one line of JSON a query."""
    save_index: Path | None = None
    """A folder to write the index to, for later searches that need neither the run nor its model."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"--k {self.k}: ask for at least 1 neighbour")
        if self.recall is not None and not 0 < self.recall <= 1:
            raise ValueError(f"--recall {self.recall}: a share, above 0 and up to 1")
        if self.foreign is not None and (self.factory is not None or self.recall is not None):
            raise ValueError("--foreign reads an index as it is: leave --factory and --recall out")
        edge = (self.head, self.relation, self.tail)
        if edge != (None, None, None) and edge.count(None) != 1:
            raise ValueError(
                "of an edge give two of --head, --relation and --tail: the third is what is searched for"
            )


def search(arguments: SearchArguments) -> int:
    """Find the names nearest to a name."""
    from graphkit.search.opened import Opened
    from graphkit.search.relation_names import Ask
    from graphkit.search.text_features import Text

    edge = Ask(arguments.head, arguments.relation, arguments.tail)
    typed: list[str | Ask] = [*([edge] if edge != Ask() else []), *map(Text, arguments.text), *arguments.query]
    prompt = not typed and arguments.queries is None and arguments.save_index is None
    if prompt and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "nothing to search for: name at least one query, a file with --queries, or a folder with --save-index"
        )
    queries: list[str | Ask] = [*typed, *_read_queries(arguments.queries)]
    if arguments.foreign is not None:
        index = read_foreign(arguments.folder, arguments.foreign, arguments.metric, arguments.device)
        opened = Opened.of(index, arguments.folder)
    else:
        given = arguments.metric, arguments.factory, arguments.recall, arguments.device
        opened = Opened(arguments.folder, *given)
    edges = sum(map(opened.is_edge, queries))
    if arguments.new_only and not edges and not prompt:
        raise UserError("--new-only changes nothing here: it is for edges, --head X --relation R or 'X, R, ?'")
    named = prompt or edges < len(queries) or arguments.save_index is not None
    if not named and (arguments.metric is not None or arguments.device != "cpu"):
        raise UserError("edges are scored as the graph was trained, on the CPU: leave --metric and --device out")
    # Every query is understood before anything is printed or written: a mistake leaves no half of an answer.
    answers = _answers(opened, queries, len(typed), arguments)
    if arguments.save_index is not None:
        opened.index.save(arguments.save_index)
        rows = f"{len(opened.index):,} rows of dimension {opened.index.dimension}"
        print(f"{rows} in {arguments.save_index}", file=sys.stderr)
    if named and (opened.index.factory != "Flat" or arguments.save_index is not None):
        print(described(opened.index), file=sys.stderr)
    if edges:
        for kind, recall in opened.relations.recall.items():
            print(f"edges: recall@10 {recall:.3f} among entities of type {kind!r}", file=sys.stderr)
    if prompt:
        from graphkit.search.prompt import ask

        ask(opened, arguments.k, arguments.where, arguments.fuzzy, arguments.new_only)
    print_answers(answers, opened.index.metric if named else "", arguments.format)
    return 0


def described(index: SearchIndex) -> str:
    """One line: why this kind of index, how hard it looks, and what it finds."""
    effort = "".join(f", {name} {value}" for name, value in index.effort.items())
    recall = "recall@10 not measured" if index.recall is None else f"recall@10 {index.recall:.3f}"
    return f"{index.reason}: {index.factory}{effort}, {recall}"


def _answers(
    opened: Opened, queries: list[str | Ask], typed: int, arguments: SearchArguments
) -> list[tuple[str, Matches]]:
    answers: list[tuple[str, Matches]] = []

    def answered(some: Sequence[str | Ask]) -> list[Matches]:
        where, fuzzy, new_only = arguments.where, arguments.fuzzy, arguments.new_only
        return opened.answers(some, arguments.k, where=where, fuzzy=fuzzy, new_only=new_only)

    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        try:
            answers += zip(map(str, batch), answered(batch))
        except UserError:
            for place, query in enumerate(batch, start - typed + 1):  # one by one, to tell which
                try:
                    answered([query])
                except UserError as error:
                    source = f"{arguments.queries}, query {place}: " if place > 0 else ""
                    raise UserError(f"{source}{error}") from None
            raise
    return answers


def _read_queries(path: Path | None) -> list[str]:
    """The lines of a file that are not empty."""
    if path is None:
        return []
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: byte {error.start} is not") from None
    lines = [line.strip("\r") for line in text.split("\n")]
    if not (queries := [line for line in lines if line.strip()]):
        raise UserError(f"{path} holds no query: write one a line")
    return queries


def read_foreign(
    path: Path, names: Path, metric: Literal["cosine", "dot", "l2"] | None, device: Literal["cpu", "cuda"] = "cpu"
) -> SearchIndex:
    """The index in a bare FAISS file, and a file of its names, one a line.

    Raises:
        UserError: a file cannot be read, or they do not fit.
    """
    from graphkit.search.index import SearchIndex

    return SearchIndex.read_foreign(path, _read_queries(names), metric=metric, device=device)
