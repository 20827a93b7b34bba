"""Graphs whose nodes have labels: citation networks, and communities drawn here.

- `.npz` of plain arrays, or a folder that holds one: `edges` (E, 2), `labels` (N,), -1 for none, the nodes of splits
  `train_idx`, `val_idx` and `test_idx`, and features, either `features` (N, F) or the parts of a sparse matrix,
  `feat_indptr`, `feat_indices`, `feat_data` and `feat_shape`. Cora, Citeseer and PubMed are shipped so, with
  the public split of Yang et al. 2016 ("Revisiting semi-supervised learning with graph embeddings");
- "communities": drawn here, for trying things without a file.

Axes: N nodes of F features, E undirected edges, M entries of the features that are not 0, K classes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from neuralcore.errors import UserError

SPLITS = {"train": "train_idx", "valid": "val_idx", "test": "test_idx"}
PARTS = "feat_indptr", "feat_indices", "feat_data", "feat_shape"


@dataclass(frozen=True)
class LabelledGraph:
    """One graph.

    Attributes:
        edges: (E, 2) int64, each undirected edge once, its smaller end first, sorted; none from a node to itself.
        labels: (N,) int64 in [0, K), or -1 where nobody knows. names: of the K classes.
        features: (N, F) float32, sparse; None where nothing is known of nodes but their edges.
        rows: "train", "valid", "test" -> (n,) int64, the nodes of that split; no node is in two.
    """

    edges: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    features: sparse.csr_array | None
    rows: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.labels)

    def both_ways(self) -> np.ndarray:
        """(2, 2E) int64: each edge from either end to the other, sorted by where they go."""
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        return np.ascontiguousarray(both[np.lexsort((both[:, 0], both[:, 1]))].T)


def undirected(edges: np.ndarray) -> np.ndarray:
    """(E, 2) edges, each once, its smaller end first, sorted, without those from a node to itself."""
    ordered = np.sort(edges.astype(np.int64).reshape(-1, 2), axis=1)
    return np.unique(ordered[ordered[:, 0] != ordered[:, 1]], axis=0)


def read_labelled_graph(path: str) -> LabelledGraph:
    """The graph of a file, of a folder that holds one, or "communities".

    Raises:
        UserError: no such file, a damaged one, or one that lacks an array or has it in another form.
    """
    if path == "communities":
        return communities()
    file = Path(path)
    if file.is_dir():
        held = sorted(file.glob("*.npz"))
        if len(held) != 1:
            raise UserError(f"{path} holds {len(held)} .npz files: it should hold one, or name the file with --data")
        file = held[0]
    try:
        with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f'no file of a graph {path}: name an .npz with --data, or "communities"') from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise UserError(f"{file} is damaged, or no .npz of plain arrays: {error}") from None
    for name in ("edges", "labels", *SPLITS.values()):
        if name not in arrays:
            raise UserError(f"{file} lacks the array {name!r}: it should hold edges, labels and the rows of splits")
        if not np.issubdtype(arrays[name].dtype, np.integer):
            raise UserError(f"{file}: {name} has {arrays[name].dtype} values, it should have whole numbers")
    labels, edges = arrays["labels"].astype(np.int64), arrays["edges"]
    if labels.ndim != 1 or labels.max(initial=-1) < 0 or labels.min() < -1:
        raise UserError(f"{file}: labels {labels.shape} should be (N,), classes from 0, or -1 for nodes without one")
    if edges.ndim != 2 or edges.shape[1] != 2 or not len(edges):
        raise UserError(f"{file}: edges should be (E, 2), and are {edges.shape}")
    _check_nodes(file, "edges", edges, len(labels))
    rows = {}
    for split, name in SPLITS.items():
        _check_nodes(file, name, arrays[name], len(labels))
        rows[split] = arrays[name].astype(np.int64).ravel()
    together = np.concatenate(list(rows.values()))
    if len(np.unique(together)) < len(together):
        raise UserError(
            f"{file}: a node is in a split twice, or in two: {', '.join(SPLITS.values())} should be apart"
        )
    if (labels[together] < 0).any():
        raise UserError(f"{file}: node {together[labels[together] < 0][0]} is in a split and has no label")
    names = tuple(map(str, arrays["names"])) if "names" in arrays else tuple(map(str, range(int(labels.max()) + 1)))
    if len(names) <= labels.max():
        raise UserError(f"{file}: names are {len(names)}, its labels go to {labels.max()}")
    return LabelledGraph(undirected(edges), labels, names, _features(file, arrays, len(labels)), rows)


def _check_nodes(file: Path, name: str, found: np.ndarray, nodes: int) -> None:
    if found.size and not 0 <= found.min() <= found.max() < nodes:
        raise UserError(f"{file}: {name} names nodes {found.min()} to {found.max()}, there are {nodes:,} labels")


def _features(file: Path, arrays: Mapping[str, np.ndarray], nodes: int) -> sparse.csr_array | None:
    if "features" in arrays:
        found = sparse.csr_array(np.asarray(arrays["features"], np.float32))
    elif all(name in arrays for name in PARTS):
        pointers, indices, data, shape = (arrays[name] for name in PARTS)
        try:
            found = sparse.csr_array((data.astype(np.float32), indices, pointers), shape=tuple(map(int, shape)))
            found.check_format()
        except ValueError as error:
            raise UserError(f"{file}: its features are no sparse matrix: {error}") from None
    else:
        return None
    if found.shape[0] != nodes or not np.isfinite(found.data).all():
        raise UserError(f"{file}: features are {found.shape}, there are {nodes:,} labels; numbers should be finite")
    return found


def communities(
    nodes: int = 400, classes: int = 4, *, within: float = 6.0, across: float = 5.0, noise: float = 2.5, seed: int = 0
) -> LabelledGraph:
    """A stochastic block model with noisy features: neither edges nor features alone tell the classes well.

    Args:
        nodes: N. classes: K, of which a node's is drawn. within, across: mean number of a node's edges to nodes of
            its class and to all others, about. noise: standard deviation of a feature about its class's mean, and the
            means' own is 1; there are 16 features. seed: of all of it.

    >>> len(communities(nodes=100))
    100
    """
    if nodes < 8 * classes or classes < 2:
        raise ValueError(f"a graph needs 2 classes and 8 nodes for each, got {nodes} nodes of {classes}")
    generator = np.random.default_rng([seed, nodes, classes])
    labels = np.arange(nodes) % classes
    generator.shuffle(labels)
    same = labels[:, None] == labels
    share = np.where(same, within * classes / nodes, across * classes / ((classes - 1) * nodes))
    edges = np.argwhere(np.triu(generator.uniform(size=(nodes, nodes)) < share, 1))
    means = generator.normal(size=(classes, 16))
    features = means[labels] + generator.normal(0.0, noise, (nodes, 16))
    order = generator.permutation(nodes)
    train, valid = nodes // 10, nodes // 4
    rows = {"train": order[:train], "valid": order[train : train + valid], "test": order[train + valid :]}
    names = tuple(f"community {i}" for i in range(classes))
    return LabelledGraph(edges, labels, names, sparse.csr_array(features.astype(np.float32)), rows)
