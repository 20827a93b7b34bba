"""Wikispeedia: what free text finds among articles of which text, links or both are known.

    python benchmarks/wikispeedia.py DATA

DATA is the folder of text-wikispeedia/ (articles, their links and their categories). A query is the first sentence of
an article's prose, without the words of its title; the answer is that article. So that nobody finds a sentence by
having it, these sentences are in no text that is indexed or learned from, word vectors included. Of 400 of the
articles asked for, drawn by seed 0, the next 500 words are known; of 400 others nothing but links and categories, as
of a page that is yet to be written, or a picture. One thread.

    text        BM25, and means of word vectors (SIF), of the articles with text
    links       a graph of links and categories, nothing but rows. A query has no place in it; it is asked as the mean
                of the rows of the ten articles that BM25 finds for it, the article itself left out
    both        the same graph, to which passages of the articles' texts are added as entities that are bags of words
                (TagSpace and StarSpace train so), each about its article; a query is encoded as a new passage
                beside it the passages without links and categories
    fused       reciprocal ranks

Writes docs/results/wikispeedia.md.
"""

from __future__ import annotations

import argparse
import lzma
import platform
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from text_search import wikispeedia

import neuralcore
from graphkit import Bags, Features, Graph, GraphEmbedding, SearchIndex, TextIndex, WordVectors
from graphkit.search.documents import Document
from graphkit.search.ranking_metrics import reciprocal_rank_fusion
from graphkit.search.text_features import TextFeatures

OUT = Path(__file__).parent.parent / "docs" / "results" / "wikispeedia.md"
WORDS: dict[str, Any] = {"dimension": 100, "epochs": 3, "min_count": 3}
GRAPH: dict[str, Any] = {"operator": "identity", "dimension": 64, "epochs": 5, "batch_size": 250, "negatives": 250}
TEXT = 500  # words of an article that are known
ASKED = 400  # articles of each kind
DEPTH = 100  # of a ranking
NEAR = 10  # articles whose rows stand for a query
PASSAGE = 40  # words of a passage
COMMON = 0.1  # words in more of the articles than that say nothing about one

HOW = f"""A query is the first sentence of an article's prose, without the words of its title; the answer is that
article. These sentences are in no text that is indexed or learned from, word vectors included, so nobody finds one by
having it. Of texts the next {TEXT} words are known.

- *Text only*: BM25, and means of word vectors (SIF).
- *Links only*: a graph of links and categories. It knows no words, so a query stands where the ten articles are that
  BM25 finds for it, the asked one left out.
- *Both*: the same graph with passages of the texts, entities that are bags of their words, each about its article; a
  query is encoded as a new passage, as `graphkit search RUN --text "…" --where type=article` does.
  By the cosine, as that does, or by the product the graph is trained with (`--metric dot`). Beside it passages alone.
- *Fused*: sums of w / (60 + rank); published with weights of 1, and 0.1 is what `graphkit documents` takes.
"""


def categories(data: Path, place: dict[str, int]) -> tuple[list[str], np.ndarray]:
    """Names of categories, and (E, 2) which article has which."""
    with lzma.open(data / "text-wikispeedia" / "categories.tsv.xz", "rt", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if line.strip() and not line.startswith("#")]
    rows = [row for row in rows if row[0] in place]
    names = sorted({row[1] for row in rows})
    number = {name: i for i, name in enumerate(names)}
    return names, np.array([(place[article], number[category]) for article, category in rows])


def passages(documents: Sequence[Document]) -> tuple[list[list[str]], np.ndarray]:
    """Words of passages from the beginnings of texts, the rare and the common ones left out, and whose each is."""
    cut = [re.findall(r"\w+", document.text.lower()) for document in documents]
    among = Counter(word for words in cut for word in set(words))
    kept = {word for word, count in among.items() if 3 <= count <= COMMON * len(documents)}
    found, of = [], []
    for row, words in enumerate(cut):
        mine = [word for word in words if word in kept]
        for start in range(0, len(mine), PASSAGE):
            found.append(mine[start : start + PASSAGE])
            of.append(row)
    return found, np.array(of)


def graph_of(
    names: list[str], links: np.ndarray, topics: list[str], about: np.ndarray, of_passage: np.ndarray
) -> Graph:
    """Links and categories of articles, and passages about them; what there is none of is left out."""
    start, last = len(names), len(names) + len(topics)
    passage = np.stack([last + np.arange(len(of_passage)), of_passage], axis=1)
    parts = [
        ("links", ("article", "article"), links),
        ("in_category", ("article", "category"), about + np.array([0, start])),
        ("about", ("passage", "article"), passage),
    ]
    parts = [part for part in parts if len(part[2])]
    types = {"article": len(names), "category": len(topics), "passage": len(of_passage)}
    return Graph.of(
        [*names, *topics, *(f"passage {i}" for i in range(len(of_passage)))],
        [name for name, _, _ in parts],
        np.concatenate([np.insert(pairs, 1, i, axis=1) for i, (_, _, pairs) in enumerate(parts)]),
        types={kind: count for kind, count in types.items() if count},
        sides=[sides for _, sides, _ in parts],
    )


class Timed:
    """CPU-seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, call: Any) -> Any:
        start = time.process_time()
        found = call()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start
        print(f"{name}: {self.seconds[name]:.0f} s", flush=True)
        return found


def nearest(matrix: np.ndarray, queries: np.ndarray, metric: Any = "cosine") -> list[list[int]]:
    """The nearest rows of each query; none of one that is zero."""
    index = SearchIndex.build(matrix, [str(row) for row in range(len(matrix))], metric=metric)
    asked = np.flatnonzero(queries.any(axis=1))
    found: list[list[int]] = [[]] * len(queries)
    for place, matches in zip(asked.tolist(), index.search(queries[asked], DEPTH)):
        found[place] = [int(match.name) for match in matches]
    return found


def rankings(data: Path, timed: Timed) -> tuple[dict[str, list[list[int]]], list[int], np.ndarray, str]:
    """Way -> the articles found for each query; the answers; which of them have text; and what was asked of what."""
    documents, first, links = timed("reading", lambda: wikispeedia(data))
    names = [document.name for document in documents]
    place = {name: row for row, name in enumerate(names)}
    topics, about = categories(data, place)
    chosen = np.random.default_rng(0).permutation(sorted(first))[: 2 * ASKED].tolist()
    asked, queries = [place[name] for name in chosen], [first[name] for name in chosen]
    bare = set(asked[ASKED:])
    cut = [" ".join(document.text.replace("\0", " ").split()[:TEXT]) for document in documents]
    known = [Document(name, "" if row in bare else text) for row, (name, text) in enumerate(zip(names, cut))]
    texts = [document for document in known if document.text]
    row_of = np.array([place[document.name] for document in texts])
    bags, of = passages(known)
    features = {"passage": Features(Bags.of(bags), row=False)}
    nothing = np.zeros((0, 2), np.int64)
    graphs = {
        "both": graph_of(names, links, topics, about, of),
        "passages without links and categories": graph_of(names, nothing, [], nothing, of),
    }
    encoded: dict[str, list[list[int]]] = {}
    for way, graph in graphs.items():
        model = timed(way, lambda g=graph: GraphEmbedding(g, seed=0, features=features, **GRAPH).fit())
        vectors = TextFeatures(model).encode(queries)
        for metric in ("cosine", "dot"):
            encoded[f"{way}, {metric}"] = nearest(model.matrix[: len(names)], vectors, metric)
    print(table(encoded, asked, np.arange(2 * ASKED) < ASKED), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "text.txt"
        corpus.write_text("\n".join(document.text for document in texts) + "\n", encoding="utf-8")
        words = timed("word vectors", lambda: WordVectors.train(corpus, threads=1, seed=0, **WORDS))
    index = timed("BM25 and SIF", lambda: TextIndex.build(texts, words))

    def text_only(by: Any) -> list[list[int]]:
        return [[int(row_of[row]) for row, _ in index._ranking(query, DEPTH + 1, by)] for query in queries]

    found = {"text only, BM25": text_only("bm25"), "text only, SIF": text_only("vectors")}
    plain = graph_of(names, links, topics, about, nothing[:, 0])
    alone = timed("links only", lambda: GraphEmbedding(plain, seed=0, **GRAPH).fit())
    near = [[row for row in mine if row != a][:NEAR] for a, mine in zip(asked, found["text only, BM25"])]
    means = np.stack([alone.matrix[rows].mean(axis=0) if rows else 0 * alone.matrix[0] for rows in near])
    found["links only"] = nearest(alone.matrix[: len(names)], means)
    found |= encoded
    for way, weight in (("text only, SIF", 1.0), ("links only", 1.0), ("both, dot", 1.0), ("both, dot", 0.1)):
        pairs = zip(found["text only, BM25"], found[way])
        name = f"BM25 and {way.removeprefix('text only, ')}, fused 1 : {weight:g}"
        found[name] = [[row for row, _ in reciprocal_rank_fusion(pair, [1.0, weight])][:DEPTH] for pair in pairs]
    told = (
        f"{len(names):,} articles, {len(links):,} links, {len(topics)} categories, {len(of):,} passages of up to "
        f"{PASSAGE} words. Asked for are {ASKED} articles of whose text the {TEXT} words after that sentence are "
        f"known, and {ASKED} without text."
    )
    return found, asked, np.arange(2 * ASKED) < ASKED, told


def table(found: dict[str, list[list[int]]], asked: list[int], mine: np.ndarray) -> str:
    """MRR and recall@10 of some of the queries."""
    lines = ["| | MRR | recall@1 | recall@10 | recall@100 |", "|---|---|---|---|---|"]
    for way, lists in found.items():
        ranks = np.array([r.index(a) + 1 if a in r else np.inf for a, r in zip(asked, lists)])[mine]
        cells = [(1 / ranks).mean(), *((ranks <= k).mean() for k in (1, 10, 100))]
        lines.append(f"| {way} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    timed = Timed()
    found, asked, with_text, told = rankings(arguments.data, timed)
    print(table(found, asked, with_text), table(found, asked, ~with_text), sep="\n\n", flush=True)
    spent = ", ".join(f"{name} {seconds:.0f}" for name, seconds in timed.seconds.items())
    said = [", ".join(f"{key} {value}" for key, value in settings.items()) for settings in (WORDS, GRAPH)]
    OUT.write_text(
        "# Wikispeedia: what free text finds, by text, links or both\n\n"
        f"{told}\n\n{HOW}\n"
        f"## Articles whose text is known\n\n{table(found, asked, with_text)}\n\n"
        f"## Articles of which only links and categories are known\n\n{table(found, asked, ~with_text)}\n\n"
        f"CPU-seconds: {spent}.\n\n"
        f"Settings, else the defaults: word vectors {said[0]}; graphs {said[1]}.\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, Python "
        f"{platform.python_version()}, a {platform.machine()} machine that other work used as well.\n\n"
        "`python benchmarks/wikispeedia.py DATA`\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
