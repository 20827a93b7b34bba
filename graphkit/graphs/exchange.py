"""Graphs from and to NetworkX, SciPy and PyTorch Geometric, each of which is imported when it is asked for.

What comes is training edges (and, of PyTorch Geometric, nothing of features: vectors are learned here). What goes is
a split, with the weights of training edges and, if an embedding is given, each entity's vector as `x`. PyTorch
Geometric numbers the nodes of each type from 0; here entities are numbered type after type, so the order is the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.graphs.edge_lists import ONE_RELATION
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding

networkx = lazy_import("networkx", extra="networkx")
geometric = lazy_import("torch_geometric.data", extra="geometric")
sparse = lazy_import("scipy.sparse")


def of_networkx(graph: Any, *, relation: str = "relation", weight: str = "weight") -> Graph:
    """A graph from a NetworkX one: its nodes in order, those without edges too; an undirected edge goes one way.

    Args:
        relation, weight: the edges' attributes that are their relation (else the key of a multigraph's edge if that
            is text, else "related_to") and weight (else 1).

    Raises:
        UserError: no edges, two nodes of the same name, or a weight that is not a number above 0.
    """
    numbers: dict[Hashable, int] = {node: i for i, node in enumerate(graph.nodes)}
    names = [str(node) for node in numbers]
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise UserError(f"two nodes are called {twice!r}, as numbers and text may be: relabel them")
    relations: dict[str, int] = {}
    rows, weights = [], []
    keyed = graph.edges(data=True, keys=True) if graph.is_multigraph() else graph.edges(data=True)
    for head, tail, *key, data in keyed:
        otherwise = key[0] if key and isinstance(key[0], str) else ONE_RELATION
        kind = relations.setdefault(str(data.get(relation, otherwise)), len(relations))
        rows.append((numbers[head], kind, numbers[tail]))
        weights.append(data.get(weight))
    edges = np.array(rows, np.int64).reshape(-1, 3)
    if all(value is None for value in weights):
        return Graph.of(names, list(relations), edges)
    try:
        each = np.array([1.0 if value is None else value for value in weights], np.float32)
    except (TypeError, ValueError):
        raise UserError(f"an edge's {weight!r} is no number: mend it, or name another attribute") from None
    return Graph.of(names, list(relations), edges, weights=each)


def to_networkx(graph: Graph, split: str = "train", *, embedding: GraphEmbedding | None = None) -> Any:
    """A NetworkX MultiDiGraph of all entities and a split's edges, whose keys are the relations.

    An edge that is there again has a key with its number, (relation, 2). Nodes of several types are (type, name) and
    have the attribute `type`; `x` is an embedding's vector.
    """
    found = networkx.MultiDiGraph()
    nodes: list[Hashable] = []
    for kind in graph.types:
        rows = graph.rows_of(kind)
        for row, name in zip(rows, graph.entities[rows.start : rows.stop]):
            nodes.append((kind, name) if len(graph.types) > 1 else name)
            more = {} if embedding is None else {"x": embedding.matrix[row]}
            found.add_node(nodes[-1], type=kind, **more)
    weights = _weights(graph, split)
    for i, (head, kind, tail) in enumerate(graph.edges[split].tolist()):
        relation = graph.relations[kind]
        key: Hashable = relation
        times = 1
        while found.has_edge(nodes[head], nodes[tail], key):
            times += 1
            key = relation, times
        more = {} if weights is None else {"weight": float(weights[i])}
        found.add_edge(nodes[head], nodes[tail], key, relation=relation, **more)
    return found


def of_scipy(matrix: Any, names: Sequence[str] | None = None, *, relation: str = ONE_RELATION) -> Graph:
    """A graph from a sparse matrix (N, N), whose stored numbers above 0 are weights: row i, column j is an edge.

    Args:
        names: N, by default "0", "1", … relation: what to call the one there is.

    Raises:
        UserError: the matrix is not square, has no numbers, or one that is not above 0.
    """
    rows = sparse.coo_array(matrix)
    if rows.ndim != 2 or rows.shape[0] != rows.shape[1]:
        raise UserError(f"the matrix is {rows.shape}: rows and columns must be the same entities")
    if names is None:
        names = [str(i) for i in range(rows.shape[0])]
    if len(names) != rows.shape[0]:
        raise UserError(f"{len(names)} names for {rows.shape[0]} rows")
    edges = np.stack([rows.row, np.zeros_like(rows.row), rows.col], axis=1).astype(np.int64)
    weights = None if (rows.data == 1).all() else rows.data.astype(np.float32)
    return Graph.of(names, [relation], edges, weights=weights)


def to_scipy(graph: Graph, relation: str | None = None, split: str = "train") -> Any:
    """A CSR array (N, N) of a split's weights, those of edges that are there several times summed.

    Args:
        relation: only its edges; None: those of all.
    """
    edges, weights = graph.edges[split], _weights(graph, split)
    values = np.ones(len(edges), np.float32) if weights is None else weights
    if relation is not None:
        mine = np.flatnonzero(edges[:, 1] == _relation(graph, relation))
        edges, values = edges[mine], values[mine]
    shape = len(graph.entities), len(graph.entities)
    return sparse.coo_array((values, (edges[:, 0], edges[:, 2])), shape=shape).tocsr()


def of_pyg(data: Any) -> Graph:
    """A graph from PyTorch Geometric's `Data` (its `edge_type`, if any, as relations "0", "1", …) or `HeteroData`.

    Of a `HeteroData` the node types are types, and (head, relation, tail) is called relation where that name is once
    there, else "head relation tail". `edge_weight` is the weight. Names are an attribute `name` (N strings) of the
    data or the type, or the nodes' numbers.

    Raises:
        UserError: a type has no number of nodes, there are no edges, or a weight is not above 0.
    """
    return _of_hetero(data) if hasattr(data, "edge_types") else _of_data(data)


def _of_data(data: Any) -> Graph:
    ends = _array(data.edge_index)
    kinds = np.zeros(ends.shape[1], np.int64)
    relations = [ONE_RELATION]
    if data.get("edge_type") is not None:
        kinds = _array(data.edge_type).astype(np.int64)
        relations = [str(i) for i in range(int(kinds.max(initial=0)) + 1)]
    weights = None if data.get("edge_weight") is None else _array(data.edge_weight).reshape(-1)
    return Graph.of(_names(data, "data"), relations, np.stack([ends[0], kinds, ends[1]], axis=1), weights=weights)


def _of_hetero(data: Any) -> Graph:
    names: list[str] = []
    types, start = {}, {}
    for kind in data.node_types:
        mine = _names(data[kind], kind)
        start[kind], types[kind] = len(names), len(mine)
        names += mine
    called = [relation for _, relation, _ in data.edge_types]
    relations, sides, parts, weights = [], [], [], []
    for number, key in enumerate(data.edge_types):
        head, relation, tail = key
        relations.append(relation if called.count(relation) == 1 else f"{head} {relation} {tail}")
        sides.append((head, tail))
        ends = _array(data[key].edge_index)
        parts.append(np.stack([ends[0] + start[head], np.full(ends.shape[1], number), ends[1] + start[tail]], axis=1))
        weights.append(None if data[key].get("edge_weight") is None else _array(data[key].edge_weight).reshape(-1))
    if not parts:
        raise UserError("the data has no edge types")
    each = None
    if any(mine is not None for mine in weights):
        each = np.concatenate([np.ones(len(p)) if w is None else w for p, w in zip(parts, weights)])
    return Graph.of(names, relations, np.concatenate(parts), weights=each, types=types, sides=sides)


def to_pyg(graph: Graph, split: str = "train", *, embedding: GraphEmbedding | None = None) -> Any:
    """PyTorch Geometric's `Data` with `edge_type`, or `HeteroData` of a graph with several types.

    Both have `name`, `edge_weight` where the split has weights, and an embedding's vectors as `x`. A relation is the
    edge type (head type, relation, tail type).
    """
    import torch

    edges, weights = graph.edges[split], _weights(graph, split)
    if len(graph.types) == 1:
        data = geometric.Data(edge_index=torch.from_numpy(np.ascontiguousarray(edges[:, [0, 2]].T, np.int64)))
        data.edge_type = torch.from_numpy(edges[:, 1].astype(np.int64))
        data.num_nodes, data.name = len(graph.entities), list(graph.entities)
        if weights is not None:
            data.edge_weight = torch.from_numpy(np.array(weights))
        if embedding is not None:
            data.x = torch.from_numpy(np.array(embedding.matrix))
        return data
    data = geometric.HeteroData()
    for kind in graph.types:
        rows = graph.rows_of(kind)
        data[kind].num_nodes, data[kind].name = len(rows), list(graph.entities[rows.start : rows.stop])
        if embedding is not None:
            data[kind].x = torch.from_numpy(np.array(embedding.matrix[rows.start : rows.stop]))
    for number, (relation, (head, tail)) in enumerate(zip(graph.relations, graph.sides)):
        mine = np.flatnonzero(edges[:, 1] == number)
        starts = np.array([[graph.rows_of(head).start], [graph.rows_of(tail).start]])
        key = head, relation, tail
        data[key].edge_index = torch.from_numpy((edges[mine][:, [0, 2]].T - starts).astype(np.int64))
        if weights is not None:
            data[key].edge_weight = torch.from_numpy(np.array(weights[mine]))
    return data


def _names(store: Any, what: str) -> list[str]:
    name = store.get("name")
    if name is not None:
        return [str(each) for each in name]
    if store.num_nodes is None:
        raise UserError(f"{what} says neither `name` nor `num_nodes`: set one")
    return [str(i) for i in range(store.num_nodes)]


def _array(tensor: Any) -> np.ndarray:
    found: np.ndarray = tensor.detach().cpu().numpy()
    return found


def _weights(graph: Graph, split: str) -> np.ndarray | None:
    return graph.weights if split == "train" else None


def _relation(graph: Graph, name: str) -> int:
    if name not in graph.relations:
        raise UserError(f"the graph has no relation {name!r}")
    return graph.relations.index(name)
