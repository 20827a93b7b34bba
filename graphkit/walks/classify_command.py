"""`graphkit classify`: how well the labels of nodes are told from their vectors, over shares of labelled nodes.

graphkit classify runs/walks labels.tsv
graphkit classify vectors.bin labels.csv --fractions 0.1 0.5 --splits 5
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from neuralcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from graphkit.walks.node_classification import Classification


@dataclass(frozen=True)
class ClassifyArguments:
    """Tell the labels of nodes from their vectors: micro and macro F1 of logistic regressions."""

    run: Positional[Path]
    """run folder, its vectors/, or a file of vectors in word2vec's, fastText's or GloVe's format"""
    labels: Positional[Path]
    """node and label a line, between tabs, commas or spaces (also .gz and .xz); a line for each label of a node"""
    fractions: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    """shares of the labelled nodes to train on; the others are asked"""
    splits: int = 10
    """random splits at each fraction"""
    c: float = 1.0
    """weight of the errors against that of the regulariser (the papers: 1)"""
    seed: int = 0
    """of the splits"""
    threads: int | None = None
    """that take a split each, by default all processors; the figures do not depend on it"""


def classify(arguments: ClassifyArguments) -> int:
    """Tell the labels of nodes from their vectors: micro and macro F1 of logistic regressions."""
    import numpy as np

    from graphkit.walks.node_classification import classify_nodes
    from neuralcore.checkpoint import write_text
    from neuralcore.device import set_threads

    set_threads(arguments.threads)

    names, matrix = vectors_of(arguments.run)
    labels = read_labels(arguments.labels)
    rows = {name: row for row, name in enumerate(names)}
    nodes = [node for node in labels if node in rows]
    if len(nodes) < 2:
        raise UserError(
            f"{arguments.labels}: {len(nodes)} of its {len(labels):,} nodes have a vector in {arguments.run}"
        )
    kinds = sorted({label for node in nodes for label in labels[node]})
    column = {label: i for i, label in enumerate(kinds)}
    truth = np.zeros((len(nodes), len(kinds)), bool)
    for row, node in enumerate(nodes):
        truth[row, [column[label] for label in labels[node]]] = True
    unknown = len(labels) - len(nodes)
    left_out = f"; {unknown:,} nodes of the file have no vector and are left out" if unknown else ""
    print(f"labels       {len(nodes):,} nodes, {len(kinds):,} labels, {int(truth.sum()):,} in all{left_out}")
    figures = classify_nodes(
        matrix[[rows[node] for node in nodes]],
        truth,
        fractions=arguments.fractions,
        splits=arguments.splits,
        c=arguments.c,
        seed=arguments.seed,
    )
    print("\n".join(figure_lines(figures)))
    if (arguments.run / "vectors").is_dir():
        settings = {"labels": str(arguments.labels), "nodes": len(nodes), "c": arguments.c, "seed": arguments.seed}
        kept = {**settings, "unknown": unknown, "results": [finite(figure) for figure in figures]}
        write_text(arguments.run / "classification.json", json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        print(f"figures      {arguments.run}/classification.json")
    return 0


def figure_lines(figures: list[Classification]) -> list[str]:
    """A table: F1 in percent, its mean over the splits and their standard deviation."""
    lines = [
        f"trained on   micro F1        macro F1        (mean ± standard deviation of {figures[0].splits} splits, %)"
    ]
    for figure in figures:
        cells = ((figure.micro, figure.micro_std), (figure.macro, figure.macro_std))
        micro, macro = (f"{100 * mean:5.2f}" + (f" ± {100 * std:.2f}" if std == std else "") for mean, std in cells)
        lines.append(f"{figure.fraction:>9.1%}    {micro:<14}  {macro}")
    return lines


def finite(figure: Classification) -> dict[str, float | None]:
    """A row for JSON, which knows no NaN: one split has no deviation."""
    return {name: value if value == value else None for name, value in asdict(figure).items()}


def vectors_of(path: Path) -> tuple[list[str], np.ndarray]:
    """Names and (N, D) vectors of whatever has been trained: walks, `graphkit embed`, words, other programs' files.

    Raises:
        UserError: there are none.
    """
    from graphkit.vectors_folder import kind_of

    for place in (path, path / "vectors"):
        if path.is_dir() and kind_of(place) == "graph_embedding":
            from graphkit.embedding.embedding import GraphEmbedding

            entities = GraphEmbedding.load(place).entities
            return list(entities.names), entities.matrix
    from graphkit.words.vectors import WordVectors

    vectors = WordVectors.read(path)
    return vectors.words, vectors.matrix


def read_labels(path: Path) -> dict[str, list[str]]:
    """node -> its labels, each once, in the order of the file.

    Raises:
        UserError: the file cannot be read, or a line is no node and label; the line is named.
    """
    from graphkit.walks.graph import read_lines

    found: dict[str, dict[str, None]] = {}
    separator = None
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        if separator is None:
            separator = next((s for s in "\t," if s in line), " ")
        fields = line.split() if separator == " " else [field.strip() for field in line.split(separator)]
        if len(fields) != 2 or not all(fields):
            raise UserError(
                f"{path}:{number}: {line!r} is no node and label; several labels of a node are several lines"
            )
        found.setdefault(fields[0], {})[fields[1]] = None
    if not found:
        raise UserError(f"{path} holds no labels")
    return {node: list(labels) for node, labels in found.items()}
