"""Text search: BM25, vectors of texts and both fused, on Cranfield, DBpedia-Entity and MS MARCO; and Wikispeedia.

    python benchmarks/text_search.py DATA --run RUN

DATA has the folders ir-cranfield, ir-dbpedia-sample, ir-msmarco-sample, text-wikispeedia and text-novels50. The word
vectors are learnt from the articles, the novels and the documents of the three collections, in the run folder RUN,
where a finished training is taken as it is. What is chosen (the encoder's a, its components, the weight of the
vectors in the fusion) is chosen on one half of the judged queries, all three collections together, and measured on
the other half, and the other way round.

Writes docs/results/text_search.md.
"""

from __future__ import annotations

import argparse
import itertools
import lzma
import platform
import re
import tarfile
import time
import urllib.parse
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import neuralcore
from graphkit import Bags, Features, Graph, GraphEmbedding, SearchIndex, TextIndex, WordVectors
from graphkit.search.documents import Document, read_documents, read_qrels
from graphkit.search.ranking_metrics import Qrels, evaluate_rankings, reciprocal_rank_fusion
from graphkit.search.text_encoder import SIFEncoder

OUT = Path(__file__).parent.parent / "docs" / "results" / "text_search.md"
WORDS: dict[str, Any] = {"dimension": 200, "epochs": 5, "min_count": 3}
GRAPH: dict[str, Any] = {"operator": "identity", "dimension": 64, "epochs": 5, "batch_size": 250, "negatives": 250}
CHOICES = list(itertools.product((1e-3, 1e-4), (0, 1), (0.05, 0.1, 0.15, 0.25, 0.5, 1.0)))  # a, components, weight
TAGS = 200  # words of an article's beginning that are its features
ASKED = 1000  # articles whose first sentence or title is a query
COLLECTIONS = ("ir-cranfield", "ir-dbpedia-sample", "ir-msmarco-sample")
PROSE = re.compile(r" {0,3}\S.{50,}\n {0,3}\S.{50,}")  # two full lines: neither caption nor table
Collection = tuple[list[Document], list[Document], Qrels]


def collection(data: Path, name: str) -> Collection:
    """Documents, queries and judgements."""
    folder = data / name
    if name != "ir-cranfield":
        documents, queries = (read_documents(folder / f"{part}.jsonl.xz") for part in ("corpus", "queries"))
        return documents, queries, read_qrels(folder / "qrels.tsv.xz")
    documents = []
    for name, body in _sections(folder / "cran.all.1400.xz"):
        title, text = re.fullmatch(r"\.T\n(.*?)\.A\n.*?\.W\n(.*)", body, re.DOTALL).groups()  # type: ignore[union-attr]
        # The text begins with the title once more.
        title, text = " ".join(title.split()), " ".join(text.split())
        documents.append(Document(name, text.removeprefix(title).strip(), title))
    # The judgements number the queries from 1 in their order, and not by their own numbers.
    queries = [
        Document(str(number), " ".join(body.removeprefix(".W\n").split()))
        for number, (_, body) in enumerate(_sections(folder / "cran.qry.xz"), 1)
    ]
    # Cleverdon's codes, 1 a complete answer to 4 of minimum interest, as grades 4 to 1; -1 is of no interest.
    codes = [line.split() for line in lzma.open(folder / "cranqrel.xz", "rt")]
    qrels: dict[str, dict[str, int]] = {}
    for query, document, code in codes:
        qrels.setdefault(query, {})[document] = 5 - int(code) if int(code) > 0 else 0
    return documents, queries, qrels


def _sections(path: Path) -> Iterator[tuple[str, str]]:
    text = lzma.open(path, "rt", encoding="utf-8").read()
    parts = re.split(r"^\.I (\d+)\s*\n", text, flags=re.MULTILINE)[1:]
    return zip(parts[::2], parts[1::2])


def wikispeedia(data: Path) -> tuple[list[Document], dict[str, str], np.ndarray]:
    """Articles without their first sentences, these without the words of their titles, and (E, 2) links."""
    folder = data / "text-wikispeedia"
    documents, first = [], {}
    with tarfile.open(folder / "plaintext_articles.tar.xz") as archive:
        for member in sorted((m for m in archive if m.isfile()), key=lambda m: m.name):
            file = archive.extractfile(member)
            assert file is not None
            name = Path(member.name).name.removesuffix(".txt")
            title = urllib.parse.unquote(name).replace("_", " ")
            # A notice, the title, a line that tells the categories; then captions and tables, which are indented.
            text = file.read().decode("utf-8", "replace").split("Related subjects:", 1)[-1].partition("\n\n")[2]
            paragraphs = [part for part in text.split("\n\n") if part.strip()]
            lead = next((i for i, part in enumerate(paragraphs) if PROSE.match(part)), None)
            if lead is not None:
                # In two at the first end of a sentence.
                parts = re.split(r"(?<=[a-z0-9)][.!?]) (?=[A-Z])", _line(paragraphs[lead]), maxsplit=1)
                sentence, paragraphs[lead] = parts[0], "".join(parts[1:])
                own = re.compile(
                    r"\b(" + "|".join(map(re.escape, re.findall(r"\w+", title))) + r")(?:'s|s|es)?\b", re.I
                )
                query = _line(own.sub(" ", sentence))
                if len(query.split()) >= 5:
                    first[name] = query
            documents.append(Document(name, "\n".join(map(_line, paragraphs)), title))
    place = {document.name: i for i, document in enumerate(documents)}
    with lzma.open(folder / "links.tsv.xz", "rt", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if line.strip() and not line.startswith("#")]
    return documents, first, np.array([(place[a], place[b]) for a, b in rows if a in place and b in place])


def _line(text: str) -> str:
    return " ".join(text.split())


def corpus(data: Path, out: Path) -> Path:
    """The text that word vectors are learnt from."""
    with open(out, "w", encoding="utf-8") as text:
        for archive in ("text-wikispeedia/plaintext_articles.tar.xz", "text-novels50/novels50.tar.xz"):
            with tarfile.open(data / archive) as files:
                for member in sorted((m for m in files if m.isfile()), key=lambda m: m.name):
                    file = files.extractfile(member)
                    assert file is not None
                    text.write(file.read().decode("utf-8", "replace") + "\n")
        for name in COLLECTIONS:
            text.writelines(f"{_line(document.full_text)}\n" for document in collection(data, name)[0])
    return out


class Rankings:
    """What every way finds for the judged queries of a collection, and the figures of each query."""

    def __init__(self, words: WordVectors, documents: list[Document], queries: list[Document], qrels: Qrels):
        self.documents, self.qrels = documents, qrels
        self.queries = [query for query in queries if query.name in qrels]
        self.index = TextIndex.build(documents)
        self.words, self.texts = words, [document.full_text for document in documents]
        self.bm25 = self._all("bm25", 1000)

    def of_vectors(self, a: float, components: int, frequencies: Any = None) -> list[list[int]]:
        encoder = SIFEncoder.fit(self.words, self.texts, a=a, components=components, frequencies=frequencies)
        one = TextIndex.build(self.documents, encoder, lexical=False)
        self.index.encoder, self.index.vectors = encoder, one.vectors
        return self._all("vectors", 1000)

    def _all(self, by: Any, k: int) -> list[list[int]]:
        return [[int(row) for row, _ in self.index._ranking(query.text, k, by)] for query in self.queries]

    def fused(self, vectors: list[list[int]], weight: float) -> list[list[int]]:
        return [
            [row for row, _ in reciprocal_rank_fusion([lexical, mine], [1.0, weight])]
            for lexical, mine in zip(self.bm25, vectors)
        ]

    def figures(self, rankings: list[list[int]]) -> np.ndarray:
        """(Q, 3) nDCG@10, recall@100 and MRR@10 of each query."""
        named = {q.name: [self.documents[row].name for row in r[:100]] for q, r in zip(self.queries, rankings)}
        found = evaluate_rankings(named, self.qrels).by_query
        return np.array([found[query.name] for query in self.queries])


def collections(data: Path, words: WordVectors) -> str:
    """The table of the three collections."""
    loaded = {name: Rankings(words, *collection(data, name)) for name in COLLECTIONS}
    chosen: dict[str, list[np.ndarray]] = {name: [] for name in COLLECTIONS}
    rows: dict[str, dict[str, np.ndarray]] = {}
    for name, mine in loaded.items():
        vectors = {(a, c): mine.of_vectors(a, c) for a, c in {choice[:2] for choice in CHOICES}}
        chosen[name] = [mine.figures(mine.fused(vectors[a, c], weight)) for a, c, weight in CHOICES]
        of_texts = mine.of_vectors(1e-3, 1, "texts")
        rows[name] = {
            "BM25": mine.figures(mine.bm25),
            "vectors, p(w) of the documents, a 1e-3": mine.figures(of_texts),
            "vectors, p(w) of the vectors' text, a 1e-3": mine.figures(vectors[1e-3, 1]),
            "vectors, the same, a 1e-4 (default)": mine.figures(vectors[1e-4, 1]),
            "hybrid, equal weights (RRF as published)": mine.figures(mine.fused(vectors[1e-4, 1], 1.0)),
        }
        print(name, {way: found.mean(axis=0).round(4).tolist() for way, found in rows[name].items()}, flush=True)
    halves = {name: np.random.default_rng(0).permutation(len(mine.queries)) % 2 for name, mine in loaded.items()}
    said, validated = [], {name: np.zeros_like(chosen[name][0]) for name in COLLECTIONS}
    for half in (0, 1):
        on = [np.mean([chosen[n][i][halves[n] == half, 0].mean() for n in COLLECTIONS]) for i in range(len(CHOICES))]
        best = int(np.argmax(on))
        a, components, weight = CHOICES[best]
        said.append(f"a {a:g}, {components} components, weight {weight:g}")
        for name in COLLECTIONS:
            validated[name][halves[name] != half] = chosen[name][best][halves[name] != half]
    print(said, flush=True)
    for name in COLLECTIONS:
        rows[name]["hybrid, chosen on the other half"] = validated[name]
    text = ""
    for name, ways in rows.items():
        mine = loaded[name]
        text += f"\n### {name}\n\n{len(mine.documents):,} documents, {len(mine.queries)} judged queries.\n\n"
        text += "| | nDCG@10 | recall@100 | MRR@10 | nDCG@10 less BM25's |\n|---|---|---|---|---|\n"
        for way, found in ways.items():
            gain = found[:, 0] - ways["BM25"][:, 0]
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            less = "" if way == "BM25" else f"{gain.mean():+.3f} ± {error:.3f}"
            text += f"| {way} | {' | '.join(f'{m:.3f}' for m in found.mean(axis=0))} | {less} |\n"
    means = {way: np.mean([rows[name][way].mean(axis=0) for name in COLLECTIONS], axis=0) for way in rows[name]}
    text += "\n### Mean of the three\n\n| | nDCG@10 | recall@100 | MRR@10 |\n|---|---|---|---|\n"
    text += "".join(f"| {way} | {' | '.join(f'{m:.3f}' for m in found)} |\n" for way, found in means.items())
    return f"{text}\nChosen on the one half: {said[0]}; on the other: {said[1]}.\n"


def articles(data: Path, words: WordVectors) -> str:
    """The tables of Wikispeedia."""
    documents, first, links = wikispeedia(data)
    names = [document.name for document in documents]
    bare = [Document(document.name, document.text) for document in documents]
    generator = np.random.default_rng(0)
    asked = sorted(generator.permutation(sorted(first))[:ASKED].tolist())
    titles = {document.name: document.title for document in documents}
    tokens = [re.findall(r"\w+", document.text.lower())[:TAGS] for document in documents]
    bags = Bags.of(tokens, min_count=5)
    cpu = {}

    def embedded(way: str, features: dict[str, Features]) -> Any:
        start = time.process_time()
        edges = np.stack([links[:, 0], np.zeros(len(links), np.int64), links[:, 1]], axis=1)
        graph = Graph.of(names, ["links"], {"train": edges})
        model = GraphEmbedding(graph, seed=0, features=features, **GRAPH).fit()
        cpu[way] = time.process_time() - start
        print(way, f"{cpu[way]:.0f} s", flush=True)
        return model

    alone = embedded("links only", {})
    both = embedded("text and links", {"entity": Features(bags)})
    text_first = embedded("text and links, without rows", {"entity": Features(bags, row=False)})
    start = time.process_time()
    index = TextIndex.build(bare, words)
    cpu["text only, BM25 and vectors"] = time.process_time() - start
    at = {title.lower(): row for row, title in enumerate(titles.values())}

    def mentioned(query: str) -> np.ndarray:
        parts = re.findall(r"\w+", query.lower())
        spans = {" ".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, min(i + 5, len(parts)) + 1)}
        rows = sorted(at[span] for span in spans if span in at)
        return alone.matrix[rows].mean(axis=0) if rows else np.zeros(alone.matrix.shape[1], np.float32)

    def by_cosine(matrix: np.ndarray, queries: np.ndarray) -> list[list[int]]:
        searched, place = SearchIndex.build(matrix, names), {name: i for i, name in enumerate(names)}
        return [[place[m.name] for m in searched.search(q, 1000)] if q.any() else [] for q in queries]

    text = ""
    for kind, queries in (
        ("first sentence", [first[name] for name in asked]),
        ("title", [titles[name] for name in asked]),
    ):
        cut = [re.findall(r"\w+", query.lower()) for query in queries]
        found = {
            f"text only, {way}": [[row for row, _ in index._ranking(query, 1000, by)] for query in queries]
            for way, by in (("BM25", "bm25"), ("vectors", "vectors"))
        }
        if kind == "first sentence":
            found["links only, articles it mentions"] = by_cosine(
                alone.matrix, np.stack(list(map(mentioned, queries)))
            )
        found["text and links"] = by_cosine(both.matrix, both.encode(cut))
        found["text and links, without rows"] = by_cosine(text_first.matrix, text_first.encode(cut))
        lexical = found["text only, BM25"]
        for way in ("text only, vectors", "text and links, without rows"):
            fused = [reciprocal_rank_fusion(pair, [1.0, 0.1]) for pair in zip(lexical, found[way])]
            found[f"BM25 and {way}, fused"] = [[row for row, _ in mine] for mine in fused]
        text += f"\n### By the {kind}\n\n"
        text += "| | found first | within 10 | within 100 | MRR@10 |\n|---|---|---|---|---|\n"
        place = {name: i for i, name in enumerate(names)}
        for way, rankings in found.items():
            ranks = np.array([r.index(place[n]) + 1 if place[n] in r else 10**9 for n, r in zip(asked, rankings)])
            cells = [*((ranks <= k).mean() for k in (1, 10, 100)), np.where(ranks <= 10, 1 / ranks, 0).mean()]
            text += f"| {way} | {' | '.join(f'{cell:.3f}' for cell in cells)} |\n"
        print(text, flush=True)
    text += "\n### Neighbours\n\nShare of an article's ten nearest that have a category of its own.\n\n"
    text += "| | share |\n|---|---|\n"
    assert index.encoder is not None
    matrices = {
        "text only, vectors": index.encoder.encode([document.text for document in bare]),
        "links only": alone.matrix,
        "text and links": both.matrix,
        "text and links, without rows": text_first.matrix,
    }
    for way, matrix in matrices.items():
        text += f"| {way} | {same_category(data, names, matrix):.3f} |\n"
    spent = ", ".join(f"{way} {seconds:.0f}" for way, seconds in cpu.items())
    return f"{text}\nCPU-seconds of training or indexing: {spent}.\n"


def same_category(data: Path, names: list[str], matrix: np.ndarray) -> float:
    """The share of the ten nearest of each row, by the cosine, that have a category of its."""
    of: dict[str, set[str]] = {}
    with lzma.open(data / "text-wikispeedia" / "categories.tsv.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, category = line.rstrip("\n").split("\t")
                of.setdefault(name, set()).add(category)
    rows = [row for row, name in enumerate(names) if name in of and matrix[row].any()]
    index = SearchIndex.build(matrix[rows], [names[row] for row in rows])
    shares = [np.mean([bool(of[m.name] & of[names[row]]) for m in index.search(names[row], 10)]) for row in rows]
    return float(np.mean(shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if (arguments.run / "vectors").is_dir():
        words = WordVectors.load(arguments.run)
    else:
        arguments.run.parent.mkdir(parents=True, exist_ok=True)
        words = WordVectors.train(
            corpus(arguments.data, arguments.run.with_suffix(".txt")), run=arguments.run, **WORDS
        )
    text = (
        "# Text search\n\n"
        "BM25 is that of the package bm25s with its defaults (k1 1.5, b .75), English stop words and stems.\n"
        "Vectors are means of word vectors, see `graphkit.search.text_encoder`; hybrid is the reciprocal rank\n"
        "fusion with BM25. ± is the standard error of the mean of a difference.\n"
        f"The {len(words):,} word vectors are learnt from {words.vocabulary.total:,} words: Wikispeedia's articles,\n"
        "50 novels, and the documents searched here. Grades are gains; Cranfield's codes 1 to 4 are grades 4 to\n"
        "1, -1 is 0. Whose p(w) is taken was decided on all these queries, not on a half.\n\n## Three collections\n"
    )
    text += collections(arguments.data, words)
    text += (
        "\n## Wikispeedia: an article found by its first sentence or its title\n\n"
        f"4,598 articles, 119,879 links, {ASKED} articles asked for. No way knows the titles, and the first\n"
        "sentence is not in the text searched; the words of the title are not in the sentence asked. Text and\n"
        f"links: the embedding of the link graph with the first {TAGS} words of each article as features, and a\n"
        "query encoded as a new article of those words. Links alone know no words: where a sentence has titles of\n"
        "other articles, the mean of their vectors is asked. BM25 has weight 1 in the fusions, the other 0.1.\n"
    )
    text += articles(arguments.data, words)
    said = (", ".join(f"{key} {value}" for key, value in settings.items()) for settings in (WORDS, GRAPH))
    OUT.write_text(
        f"{text}\nSettings, else the defaults: words {next(said)}; graph {next(said)}.\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, bm25s {version('bm25s')}, PyStemmer "
        f"{version('PyStemmer')}, torch {torch.__version__.split('+')[0]}, Python {platform.python_version()}, a "
        f"{platform.machine()} machine that other work used as well.\n\n"
        "`python benchmarks/text_search.py DATA --run RUN`\n"
    )


if __name__ == "__main__":
    main()
