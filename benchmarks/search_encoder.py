"""A Transformer as the encoder of search queries, beside means of word vectors and BM25.

    python benchmarks/text_search.py DATA --run runs/text_words
    python benchmarks/search_encoder.py DATA --run runs/search_encoder --pairs
    neuralcore fit configs/sequence/wikispeedia_encode.toml --run runs/search_encoder/fit
    python benchmarks/search_encoder.py DATA --run runs/search_encoder

DATA is that of benchmarks/text_search.py, whose page has the figures of word vectors. --pairs writes the training
pairs, of Wikispeedia alone: a title and a passage below it, twelve words and a passage elsewhere in their article,
the title of an article that is linked to and a passage that names it.

Writes docs/results/search_encoder.md.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from text_search import ASKED, COLLECTIONS, collection, wikispeedia

import neuralcore
from graphkit import TextIndex
from graphkit.search.documents import Document
from graphkit.search.sequence_encoder import SequenceEncoder

OUT = Path(__file__).parent.parent / "docs" / "results" / "search_encoder.md"
PASSAGE = 45  # words
SIF = "mean of word vectors (SIF)"
WAYS: dict[str, Any] = {"BM25": "bm25", "Transformer": "vectors", "BM25 and Transformer, weight 0.1": "hybrid"}
EACH = 12  # pairs of each kind of an article, at most


def passages(text: str) -> list[str]:
    """Pieces of 45 words of the prose of an article."""
    words = text.split()
    return [" ".join(words[at : at + PASSAGE]) for at in range(0, max(len(words) - PASSAGE // 2, 1), PASSAGE)]


def pairs(data: Path, out: Path) -> int:
    """Write the training pairs; how many."""
    documents, _, links = wikispeedia(data)
    generator = np.random.default_rng(0)
    pieces = [passages(document.text) if document.text.strip() else [] for document in documents]
    targets: list[list[int]] = [[] for _ in documents]
    for source, target in links.tolist():
        targets[source].append(target)
    lines = []
    for row, (document, mine) in enumerate(zip(documents, pieces)):
        if not mine:
            continue
        early = mine[:EACH]
        for at in generator.permutation(len(early))[:EACH]:
            lines.append((document.name, document.title, early[at]))
        if len(mine) > 1:
            for _ in range(EACH):
                a, b = generator.permutation(len(mine))[:2]
                at = int(generator.integers(PASSAGE - 12))
                lines.append((document.name, " ".join(mine[a].split()[at : at + 12]) or mine[a], mine[b]))
        lower = [piece.lower() for piece in mine]
        found = 0
        for target in generator.permutation(targets[row]).tolist():
            title = documents[target].title
            there = next((at for at, piece in enumerate(lower) if title.lower() in piece), None)
            if there is not None and found < EACH:
                lines.append((documents[target].name, title, mine[there]))
                found += 1
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return len(lines)


def published(section: str, way: str) -> list[str]:
    """The cells of a row of docs/results/text_search.md below a heading."""
    part = (
        (OUT.parent / "text_search.md").read_text(encoding="utf-8").split(f"### {section}\n", 1)[1].split("\n#", 1)[0]
    )
    line = next(line for line in part.splitlines() if line.startswith(f"| {way} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def collections(data: Path, encoder: SequenceEncoder) -> str:
    """The table of the three collections."""
    text, means = "", {}
    for name in COLLECTIONS:
        documents, queries, qrels = collection(data, name)
        index = TextIndex.build(documents, encoder)  # the two fused with the default weight
        judged = {way: index.evaluate(queries, qrels, by)[0] for way, by in WAYS.items()}
        rows = {way: [mine.ndcg_10, mine.recall_100, mine.mrr_10] for way, mine in judged.items()}
        rows[SIF] = [float(cell) for cell in published(name, "vectors, the same, a 1e-4 (default)")[:3]]
        for way, row in rows.items():
            means.setdefault(way, []).append(row)
        text += f"\n### {name}\n\n{table(rows)}"
        print(text, flush=True)
    return f"{text}\n### Mean of the three\n\n" + table({way: np.mean(rows, axis=0) for way, rows in means.items()})


def table(rows: Mapping[str, Sequence[float]]) -> str:
    """Figures of ways to search."""
    lines = [f"| {way} | {' | '.join(f'{cell:.3f}' for cell in row)} |\n" for way, row in rows.items()]
    return "| | nDCG@10 | recall@100 | MRR@10 |\n|---|---|---|---|\n" + "".join(lines)


def articles(data: Path, encoder: SequenceEncoder) -> str:
    """Wikispeedia's articles by their first sentence and by their titles, as in benchmarks/text_search.py."""
    documents, first, _ = wikispeedia(data)
    asked = sorted(np.random.default_rng(0).permutation(sorted(first))[:ASKED].tolist())
    titles = {document.name: document.title for document in documents}
    place = {document.name: row for row, document in enumerate(documents)}
    index = TextIndex.build([Document(document.name, document.text) for document in documents], encoder)
    text = ""
    for kind, queries in (("first sentence", [first[n] for n in asked]), ("title", [titles[n] for n in asked])):
        text += f"\n### By the {kind}\n\n| | found first | within 10 | within 100 | MRR@10 |\n|---|---|---|---|---|\n"
        for way, by in WAYS.items():
            found = [[row for row, _ in index._ranking(query, 1000, by)] for query in queries]
            ranks = np.array([r.index(place[n]) + 1 if place[n] in r else 10**9 for n, r in zip(asked, found)])
            cells = [*((ranks <= k).mean() for k in (1, 10, 100)), np.where(ranks <= 10, 1 / ranks, 0).mean()]
            text += f"| {way} | {' | '.join(f'{cell:.3f}' for cell in cells)} |\n"
        text += f"| {SIF} | {' | '.join(published(f'By the {kind}', 'text only, vectors'))} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--pairs", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.pairs:
        print(f"{pairs(given.data, given.run / 'pairs.tsv'):,} pairs")
        return
    encoder = SequenceEncoder.load(given.run / "fit")
    fitted, valid = (json.loads((given.run / "fit" / f"{name}.json").read_text()) for name in ("fit", "valid"))
    text = (
        "# A Transformer as text encoder\n\n"
        f"Task encode_text, {encoder.said}; trained on pairs of Wikispeedia alone\n"
        "(configs/sequence/wikispeedia_encode.toml). Of the pairs of held-out articles, "
        f"{valid['accuracy']:.1%} of the first texts\nare nearest to their own second text; MRR {valid['mrr']:.3f}. "
        "The row of word vectors is read from\n[text_search.md](text_search.md): they are learnt from the "
        "collections' documents too, and from novels.\n\n"
        "## Three collections\n"
    )
    text += collections(given.data, encoder)
    text += (
        "\n## Wikispeedia: an article found by its first sentence or its title\n\n"
        f"{ASKED} articles asked for. The first sentence is not in the text searched, and the words of the title are "
        "not\nin the sentence asked. The Transformer has seen most of these titles with passages of their articles "
        "in\n"
        "training: by the title it tells what it has learned by heart, not what it can do with new ones. "
        "Other\npassages of the same articles were in its pairs.\n"
    )
    text += articles(given.data, encoder)
    OUT.write_text(
        f"{text}\nTraining: {json.dumps(fitted)}\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch "
        f"{torch.__version__.split('+')[0]}, Python {platform.python_version()}, a {platform.machine()} machine that "
        "other work used as well.\n\n`python benchmarks/search_encoder.py DATA --run runs/search_encoder`\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
