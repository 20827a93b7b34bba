"""What embeds: text and graphs in, vectors that say what is like what out, and the search among them.

words = WordVectors.train("corpus.txt", dimension=100)
nodes = node2vec("edges.tsv", p=0.25, q=0.25)
model = GraphEmbedding(Graph.read("edges.tsv"), operator="complex_diagonal").fit(epochs=20)
SearchIndex.build(model.entities).search("new york times", k=10)
"""

from __future__ import annotations

import importlib
from typing import Any

# name -> its module; loaded when first asked for, so `import graphkit` does not import torch
_CLASSES = {
    "WordVectors": "graphkit.words.vectors",
    "Bags": "graphkit.graphs.features",
    "Dense": "graphkit.graphs.features",
    "Features": "graphkit.embedding.features",
    "Graph": "graphkit.graphs.graph",
    "GraphEmbedding": "graphkit.embedding.embedding",
    "RelationIndex": "graphkit.search.relations",
    "SearchIndex": "graphkit.search.index",
    "TextIndex": "graphkit.search.text_index",
    "WalkGraph": "graphkit.walks.graph",
    "classify_nodes": "graphkit.walks.node_classification",
    "import_graph": "graphkit.graphs.importers",
    "node2vec": "graphkit.walks.walks",
}

__all__ = [
    "Bags",
    "Dense",
    "Features",
    "Graph",
    "GraphEmbedding",
    "RelationIndex",
    "SearchIndex",
    "TextIndex",
    "WalkGraph",
    "WordVectors",
    "classify_nodes",
    "import_graph",
    "node2vec",
]


def __getattr__(name: str) -> Any:
    if name not in _CLASSES:
        raise AttributeError(f"module 'graphkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_CLASSES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
