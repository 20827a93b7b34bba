"""Entities with features on real graphs: Cora's papers by their words, and Wikispeedia's articles by their texts.

    python benchmarks/features.py DATA --sklearn PYTHON

DATA is the folder of graph-cora/cora.npz and text-wikispeedia/; PYTHON is an interpreter that has scikit-learn,
without which the logistic regression is left out. Three questions, one thread, means and standard deviations over
seeds (which are also those of the splits):

1. Cora, links: a tenth of the citations is held out; where do the true neighbours stand among all papers?
2. Cora, new papers: a tenth of the papers is not in the graph that is trained; of the vectors `encode` makes of their
   words, where do the papers they cite or are cited by stand? Rows alone know nothing of them.
3. Wikispeedia, as TagSpace (Weston et al. 2014): an article's vector is the mean of its words', a category's is a
   row; a tenth of the articles is held out, and asked for their categories. Beside it TF-IDF with the nearest
   centroid, and with logistic regression (a category against the rest).

Writes docs/results/features.md.
"""

from __future__ import annotations

import argparse
import lzma
import platform
import re
import subprocess
import tarfile
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import neuralcore
from graphkit import Bags, Features, Graph, GraphEmbedding
from graphkit.embedding.evaluation import TAILS, Ranking, rank

OUT = Path(__file__).parent.parent / "docs" / "results" / "features.md"
CORA: dict[str, Any] = {"operator": "identity", "dimension": 64, "batch_size": 250, "negatives": 250, "epochs": 20}
# The best of five by a tenth of the articles that seed 0 trains on: a smaller rate, an L2 term, cosine with a margin,
# and logarithms of counts times IDF were lower. Cora's are the first that were tried.
TAGS: dict[str, Any] = {"operator": "identity", "dimension": 64, "batch_size": 250, "negatives": 20, "epochs": 10}

# Run by the other interpreter: a logistic regression for each category on TF-IDF.
PEER = """
import sys, time
import numpy as np, scipy.sparse as sparse
from sklearn.linear_model import LogisticRegression
folder = sys.argv[1]
true, split = np.load(folder + "/true.npy"), np.load(folder + "/split.npy")
tfidf = sparse.load_npz(folder + "/tfidf.npz")
cpu = time.process_time()
scores = np.full(((split == 1).sum(), true.shape[1]), -np.inf)
for i in np.flatnonzero(true[split == 0].any(axis=0)):
    model = LogisticRegression(C=10.0, solver="liblinear").fit(tfidf[split == 0], true[split == 0, i])
    scores[:, i] = model.decision_function(tfidf[split == 1])
np.savez(folder + "/found.npz", scores=scores, cpu=time.process_time() - cpu)
"""


def cora(folder: Path) -> tuple[np.ndarray, Bags]:
    """(E, 2) citations and the words of each paper."""
    data = np.load(folder / "graph-cora" / "cora.npz")
    words = [f"w{i}" for i in range(int(data["feat_shape"][1]))]
    return data["edges"].astype(np.int64), Bags(data["feat_indptr"], data["feat_indices"], data["feat_data"], words)


def known_papers(edges: np.ndarray, bags: Bags, seed: int) -> dict[str, list[float]]:
    """MRR, Hits@10, AUC and CPU-seconds of each kind, where a tenth of the edges is held out; both sides asked."""
    order = np.random.default_rng(seed).permutation(len(edges))
    rows = np.insert(edges[order], 1, 0, axis=1)
    splits = {"train": rows[len(rows) // 10 :], "test": rows[: len(rows) // 10]}
    graph = Graph.of([f"p{i}" for i in range(len(bags))], ["cites"], splits)
    found = {}
    for kind in ("rows alone", "features alone", "both"):
        features = {} if kind == "rows alone" else {"entity": Features(bags, row=kind == "both")}
        cpu = time.process_time()
        model = GraphEmbedding(graph, seed=seed, features=features, **CORA).fit()
        cpu = time.process_time() - cpu
        r = model.evaluate()
        found[kind] = [r.mrr, r.hits_10, r.auc, cpu]
    return found


def new_papers(edges: np.ndarray, bags: Bags, seed: int) -> dict[str, list[float]]:
    """The same of papers that are not in the graph: which of those that are do they cite, or are cited by?"""
    order = np.random.default_rng(seed).permutation(len(bags))
    place = np.argsort(order)  # the known ones first
    count = len(bags) - len(bags) // 10
    renumbered = np.sort(place[edges], axis=1)  # so a new one stands second
    inside = (renumbered < count).sum(axis=1)
    train = np.insert(renumbered[inside == 2], 1, 0, axis=1)
    test = np.insert(renumbered[inside == 1][:, ::-1], 1, 0, axis=1)
    graph = Graph.of([f"p{i}" for i in order[:count]], ["cites"], train)
    known, new = bags.take(order[:count]), bags.take(order[count:])
    words = [[bags.names[i] for i in new.indices[s:e]] for s, e in zip(new.offsets[:-1], new.offsets[1:])]
    found = {}
    for kind in ("features alone", "both"):
        cpu = time.process_time()
        features = {"entity": Features(known, row=kind == "both")}
        model = GraphEmbedding(graph, seed=seed, features=features, **CORA).fit()
        cpu = time.process_time() - cpu
        encoded = model.encode(words)

        def score(
            given: np.ndarray, relation: np.ndarray, side: int, part: slice, a: Any = model, e: Any = encoded
        ) -> Any:
            vectors = torch.from_numpy(e[given - count] if side == TAILS else a.matrix[given])
            return vectors @ torch.from_numpy((a.matrix if side == TAILS else e)[part]).T

        ranks = rank(score, test, test, len(bags), lambda _, side: (range(count), range(count, len(bags)))[side])
        r = Ranking.of(ranks.of(np.arange(len(test))))  # the known paper, given the new one
        found[kind] = [r.mrr, r.hits_10, r.auc, cpu]
    return found


def wikispeedia(folder: Path) -> tuple[list[str], Bags, list[str], np.ndarray]:
    """Articles, their words (of five occurrences or more), categories, and (E, 2) which article has which."""
    folder = folder / "text-wikispeedia"
    categories: dict[str, list[str]] = {}
    with lzma.open(folder / "categories.tsv.xz", "rt", encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                article, category = line.rstrip("\n").split("\t")
                categories.setdefault(article, []).append(category)
    texts = {}
    with tarfile.open(folder / "plaintext_articles.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            name = Path(member.name).name.removesuffix(".txt")
            if file is not None and name in categories:
                texts[name] = re.findall(r"\w+", file.read().decode("utf-8", "replace").lower())
    names = sorted(texts)
    topics = sorted({category for name in names for category in categories[name]})
    place = {topic: i for i, topic in enumerate(topics)}
    pairs = np.array([(i, place[topic]) for i, name in enumerate(names) for topic in categories[name]])
    return names, Bags.of((texts[name] for name in names), min_count=5), topics, pairs


def tagged(
    names: list[str], bags: Bags, topics: list[str], pairs: np.ndarray, seed: int, python: str | None
) -> dict[str, list[float]]:
    """Accuracy@1, recall@5 and CPU-seconds of each way to tell the categories of held-out articles."""
    from scipy import sparse

    split = np.zeros(len(names), np.int64)
    split[np.random.default_rng(seed).permutation(len(names))[: len(names) // 10]] = 1
    asked, true = np.flatnonzero(split == 1), np.zeros((len(names), len(topics)), bool)
    true[pairs[:, 0], pairs[:, 1]] = True

    def figures(scores: np.ndarray, cpu: float) -> list[float]:
        first = np.argsort(-scores, axis=1, kind="stable")[:, :5]
        hits = np.take_along_axis(true[asked], first, axis=1)
        return [float(hits[:, 0].mean()), float((hits.sum(axis=1) / true[asked].sum(axis=1)).mean()), cpu]

    rows = np.stack([pairs[:, 0], np.zeros(len(pairs), np.int64), pairs[:, 1] + len(names)], axis=1)
    splits = {"train": rows[split[pairs[:, 0]] == 0], "test": rows[split[pairs[:, 0]] == 1]}
    types, sides = {"article": len(names), "category": len(topics)}, [("article", "category")]
    graph = Graph.of([*names, *topics], ["about"], splits, types=types, sides=sides)
    cpu = time.process_time()
    model = GraphEmbedding(graph, seed=seed, features={"article": Features(bags, row=False)}, **TAGS).fit()
    cpu = time.process_time() - cpu
    found = {"graphkit": figures(model.score(asked, np.zeros(len(asked), np.int64), 0).numpy(), cpu)}

    cpu = time.process_time()
    counts = sparse.csr_array((bags.weights, bags.indices, bags.offsets), shape=(len(names), len(bags.names)))
    document = np.bincount(counts[split == 0].indices, minlength=len(bags.names))
    idf = np.log((1 + (split == 0).sum()) / (1 + document)) + 1
    tfidf = counts.copy()
    tfidf.data = ((1 + np.log(tfidf.data)) * idf[tfidf.indices]).astype(np.float32)
    lengths = np.sqrt(np.maximum(tfidf.multiply(tfidf).sum(axis=1), 1e-12))
    tfidf.data /= np.repeat(lengths, np.diff(tfidf.indptr)).astype(np.float32)
    centroids = sparse.csr_array(true[split == 0].T.astype(np.float32)) @ tfidf[split == 0]
    centroids = centroids.toarray()
    centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    found["TF-IDF, nearest centroid"] = figures(tfidf[asked] @ centroids.T, time.process_time() - cpu)
    if python is not None:
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/true.npy", true)
            np.save(f"{folder}/split.npy", split)
            sparse.save_npz(f"{folder}/tfidf.npz", sparse.csr_matrix(tfidf))
            environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            subprocess.run([python, "-c", PEER, folder], check=True, env=environment)
            peer = np.load(f"{folder}/found.npz")
            found["TF-IDF, logistic regression"] = figures(peer["scores"], float(peer["cpu"]))
    return found


def table(runs: list[dict[str, list[float]]]) -> str:
    """Rows of means and standard deviations; the last column is seconds."""
    lines = []
    for name in runs[0]:
        mine = np.array([run[name] for run in runs if name in run])
        mean, spread = mine.mean(axis=0), mine.std(axis=0, ddof=1) if len(mine) > 1 else None
        cells = [f"{m:.3f}" + ("" if spread is None else f" ± {spread[i]:.3f}") for i, m in enumerate(mean[:-1])]
        lines.append(f"| {name} | {' | '.join(cells)} | {mean[-1]:.1f} |\n")
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sklearn", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    edges, bags = cora(arguments.data)
    text = (
        "# Entities with features\n\n"
        f"Means ± standard deviations over {arguments.seeds} seeds of split and training; seconds of one CPU.\n"
        "What rows and features are: [graphs.md](../graphs.md). Features are words, an entity's the mean of theirs.\n"
    )
    seeds = range(arguments.seeds)
    for title, measure in (
        ("Cora: a tenth of the citations held out", known_papers),
        ("Cora: a tenth of the papers is new", new_papers),
    ):
        lines = table([measure(edges, bags, seed) for seed in seeds])
        text += f"\n## {title}\n\n| | filtered MRR | Hits@10 | AUC | CPU s |\n|---|---|---|---|---|\n{lines}"
        print(title, lines, sep="\n", flush=True)
    names, words, topics, pairs = wikispeedia(arguments.data)
    runs = [tagged(names, words, topics, pairs, seed, arguments.sklearn) for seed in seeds]
    print(table(runs), flush=True)
    text += (
        f"\n## Wikispeedia: categories of articles by their words\n\n{len(names):,} articles, {len(topics)} "
        f"categories, {len(words.names):,} words of five occurrences or more;\n{len(names) // 10} articles held out. "
        "Logistic regression has C = 10.\n\n"
        f"| | accuracy@1 | recall@5 | CPU s |\n|---|---|---|---|\n{table(runs)}"
    )
    said = [", ".join(f"{key} {value}" for key, value in settings.items()) for settings in (CORA, TAGS)]
    OUT.write_text(
        f"{text}\nSettings, else the defaults: Cora {said[0]}; Wikispeedia {said[1]}.\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__.split('+')[0]}, Python "
        f"{platform.python_version()}, a {platform.machine()} machine that other work used as well.\n\n"
        f"`python benchmarks/features.py DATA --sklearn PYTHON --seeds {arguments.seeds}`\n"
    )


if __name__ == "__main__":
    main()
