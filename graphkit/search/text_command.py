"""`graphkit documents` makes documents searchable, `graphkit search-text` searches among them.

graphkit documents corpus.jsonl --vectors runs/words --index indexes/papers
graphkit search-text indexes/papers "heat conduction in composite slabs"
graphkit search-text indexes/papers --queries queries.jsonl --qrels qrels.tsv      how good each way is
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.search.documents import Document
    from graphkit.search.ranking_metrics import RetrievalFigures
    from graphkit.search.text_index import By, TextIndex, TextMatches

SHOWN = 160  # characters of a document's text in a table


@dataclass(frozen=True)
class DocumentsArguments:
    """Make documents searchable: by their words (BM25), by vectors of their texts, or both."""

    documents: Positional[Path]
    """folder of .txt files; .tsv of name, text or name, title, text; or .jsonl of _id, title, text; also .gz, .xz"""
    index: Path
    """folder to write"""
    vectors: Path | None = None
    """of words: a run folder of graphkit words, or a file in word2vec's, fastText's or GloVe's format; or a sequence
    encoder: a run of neuralcore fit, task encode_text; without, the index has BM25 alone"""
    bm25: bool = True
    """--no-bm25 leaves BM25 out, which needs the extra text"""
    language: str = "english"
    """whose stop words and stems BM25 takes; none for words as they are"""
    k1: float = 1.5
    """of BM25: how much a word's repetition counts"""
    b: float = 0.75
    """of BM25: how much long documents are held back, 0 to 1"""
    a: float = 1e-4
    """of the vectors: words that are rarer than this share of all weigh nearly in full (the paper: 1e-3 to 1e-4)"""
    components: int = 1
    """of the vectors: how many principal components are taken out (the paper: 1)"""
    vector_weight: float = 0.1
    """of the vectors in a hybrid search, where BM25 has 1 (the paper: 1; docs/results/text_search.md: 0.1)"""

    def __post_init__(self) -> None:
        own = {"a": (self.a, 1e-4), "components": (self.components, 1), "vector_weight": (self.vector_weight, 0.1)}
        if self.vectors is None:
            if not self.bm25:
                raise ValueError("--no-bm25 without --vectors leaves nothing to search by")
            for name, (value, default) in own.items():
                if value != default:
                    raise ValueError(f"--{name.replace('_', '-')} changes nothing without --vectors")
        elif not self.bm25:
            lexical = {"language": "english", "k1": 1.5, "b": 0.75, "vector_weight": 0.1}
            for name, theirs in lexical.items():
                if getattr(self, name) != theirs:
                    raise ValueError(f"--{name.replace('_', '-')} changes nothing with --no-bm25")


@dataclass(frozen=True)
class SearchTextArguments:
    """Search among documents, or with --qrels tell how well that goes."""

    index: Positional[Path]
    """folder written by graphkit documents"""
    texts: Positional[tuple[str, ...]] = ()
    """what to search for, each one query; quote those of several words"""
    queries: Path | None = None
    """a file of queries, .tsv of name and text or .jsonl of _id and text"""
    qrels: Path | None = None
    """judgements of these queries: query, document, grade a line; then nDCG@10, recall@100 and MRR@10 are told"""
    by: Literal["hybrid", "bm25", "vectors"] | None = None
    """how to search; by default hybrid, or what the index has. With --qrels by default all it has"""
    k: int = 10
    """how many documents of each query"""
    format: Literal["auto", "table", "json"] = "auto"
    """how to print; auto: a table on a terminal, otherwise a line of JSON for each query, or way with --qrels"""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"--k {self.k}: ask for at least 1 document")
        if self.texts and self.queries is not None:
            raise ValueError("name queries here or in a file, not both")
        if not self.texts and self.queries is None:
            raise ValueError("nothing to search for: give a text, or a file by --queries")
        if self.qrels is not None and self.queries is None:
            raise ValueError("--qrels judges the queries of a file: name it by --queries")
        if self.qrels is not None and self.k != 10:
            raise ValueError("--k changes nothing with --qrels, whose figures look at 10 and 100 documents")


def documents(arguments: DocumentsArguments) -> int:
    """Make documents searchable: by their words (BM25), by vectors of their texts, or both."""
    from graphkit.search.documents import read_documents
    from graphkit.search.sequence_encoder import SequenceEncoder, is_run
    from graphkit.search.text_encoder import SIFEncoder
    from graphkit.search.text_index import TextIndex
    from graphkit.words.vectors import WordVectors

    given = arguments
    encoder: SIFEncoder | SequenceEncoder | None = None
    if given.vectors is not None and is_run(given.vectors):
        for name, value, default in (("a", given.a, 1e-4), ("components", given.components, 1)):
            if value != default:
                raise UserError(f"--{name} changes nothing with a sequence encoder: it is of means of word vectors")
        encoder = SequenceEncoder.load(given.vectors)
    found = read_documents(given.documents)
    if given.vectors is not None and encoder is None:
        texts = [document.full_text for document in found]
        encoder = SIFEncoder.fit(WordVectors.read(given.vectors), texts, a=given.a, components=given.components)
    index = TextIndex.build(
        found,
        encoder,
        lexical=given.bm25,
        language=given.language,
        k1=given.k1,
        b=given.b,
        vector_weight=given.vector_weight,
    )
    index.save(given.index)
    print(f"documents    {len(index):,} of {given.documents}", file=sys.stderr)
    if index.bm25 is not None:
        print(f"bm25         {given.language}, k1 {given.k1:g}, b {given.b:g}", file=sys.stderr)
    if encoder is not None and index.vectors is not None:
        how = (
            encoder.said if isinstance(encoder, SequenceEncoder) else f"{encoder.known_share:.1%} of the words known"
        )
        without = len(index) - len(index.vectors)
        found_by = "are not found" if index.bm25 is None else "are found by BM25 alone"
        left = f"; {without:,} documents have no known word and {found_by}" if without else ""
        print(f"vectors      {index.vectors.dimension} numbers; {how}{left}", file=sys.stderr)
    print(f'index        {given.index}: graphkit search-text {given.index} "…"', file=sys.stderr)
    return 0


def search_text(arguments: SearchTextArguments) -> int:
    """Search among documents, or with --qrels tell how well that goes."""
    from graphkit.search.documents import Document, read_documents, read_qrels
    from graphkit.search.text_index import TextIndex

    index = TextIndex.load(arguments.index)
    if arguments.queries is not None:
        queries = read_documents(arguments.queries)
    else:
        queries = [Document(text, text) for text in arguments.texts]
    table = arguments.format == "table" or (arguments.format == "auto" and sys.stdout.isatty())
    if arguments.qrels is not None:
        qrels = read_qrels(arguments.qrels)
        unknown = {name for grades in qrels.values() for name in grades} - {d.name for d in index.documents}
        if unknown:
            print(
                f"{arguments.qrels}: {len(unknown):,} judged documents are not in the index ({min(unknown)}, …)",
                file=sys.stderr,
            )
        ways = index.ways if arguments.by is None else [arguments.by]
        figures = {by: index.evaluate(queries, qrels, by) for by in ways}
        _print_figures(figures, table)
        return 0
    # Every query is answered before anything is printed: a mistake leaves no half of an answer.
    answers = []
    for query in queries:
        try:
            answers.append((query, index.search(query.text, arguments.k, arguments.by)))
        except UserError as error:
            where = f"query {query.name!r}: " if arguments.queries is not None else ""
            raise UserError(f"{where}{error}") from None
    if table:
        _print_tables(answers, index)
    else:
        _print_json(answers)
    return 0


def _print_figures(figures: dict[By, tuple[RetrievalFigures, list[str]]], table: bool) -> None:
    if table:
        print(f"{'by':10}{'nDCG@10':>10}{'recall@100':>12}{'MRR@10':>10}")
    for by, (mine, nothing) in figures.items():
        if table:
            print(f"{by:10}{mine.ndcg_10:10.4f}{mine.recall_100:12.4f}{mine.mrr_10:10.4f}")
        else:
            row = {"by": by, "ndcg@10": mine.ndcg_10, "recall@100": mine.recall_100, "mrr@10": mine.mrr_10}
            counts = {"queries": len(mine.by_query), "without_relevant": mine.without_relevant, "nothing": nothing}
            print(json.dumps({**row, **counts}, ensure_ascii=False))
    if table:
        mine, _ = next(iter(figures.values()))
        left_out = (
            f"; {mine.without_relevant:,} without a relevant document left out" if mine.without_relevant else ""
        )
        print(f"{len(mine.by_query):,} judged queries{left_out}")
        for by, (_, nothing) in figures.items():
            if nothing:
                print(f"{by}: nothing found for {len(nothing):,} ({', '.join(nothing[:5])}), which count as 0")


def _print_json(answers: list[tuple[Document, TextMatches]]) -> None:
    for query, matches in answers:
        found = [{"rank": m.rank, "name": m.name, "title": m.title, "score": m.score} for m in matches]
        line = {"query": query.name, "by": matches.by, "unknown": matches.unknown, "matches": found}
        print(json.dumps(line, ensure_ascii=False))


def _print_tables(answers: list[tuple[Document, TextMatches]], index: TextIndex) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for query, matches in answers:
        unknown = f" · not known: {', '.join(matches.unknown)}" if matches.unknown else ""
        console.print(Text(f"{query.text} · {matches.by}{unknown}", style="bold"))
        table = Table(box=None)
        table.add_column("", justify="right")
        table.add_column("document", overflow="fold")
        table.add_column("score", justify="right")
        table.add_column("text", overflow="fold")
        for m in matches:
            text = " ".join(index[m.name].text.split())
            shown = text if len(text) <= SHOWN else text[:SHOWN].rsplit(" ", 1)[0] + " …"
            title = f"{m.title}. " if m.title else ""
            # Text, for what is in brackets is not markup
            table.add_row(str(m.rank), Text(m.name), f"{m.score:.4f}", Text(title, style="bold") + Text(shown))
        console.print(table)
