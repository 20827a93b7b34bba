"""The task "nodes": a graph with the labels of some of its nodes in, which class each is of out.

Axes as in `networks`; B training nodes of a batch. Each step sends values along all edges, and B of its nodes are
judged: with all training nodes in a batch, an epoch is a step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional as F

from neuralcore.data.labelled_graphs import LabelledGraph, read_labelled_graph
from neuralcore.errors import UserError
from neuralcore.fitting.metrics import classification, confusion
from neuralcore.fitting.pictures import BLUE, GREY, calibration_picture, confusion_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.lazy import lazy_import
from neuralcore.message_passing.nodes_config import NodesConfig
from neuralcore.seeding import seeded_torch

figures = lazy_import("matplotlib.figure", extra="plots")


class Nodes(NamedTuple):
    """A batch.

    Attributes:
        features: (N, F), sparse. ends: (2, M) int64. rows: (B,) int64, the nodes that are judged. labels: (B,).
    """

    features: torch.Tensor
    ends: torch.Tensor
    rows: torch.Tensor
    labels: torch.Tensor


def feature_matrix(graph: LabelledGraph, config: NodesConfig) -> torch.Tensor:
    """(N, F) sparse float32: what the config has nodes know of themselves.

    Raises:
        UserError: the graph has no features, and the config asks for them.
    """
    if config.features == "identity":
        found: Any = sparse.eye_array(len(graph), format="coo", dtype=np.float32)
    elif graph.features is None:
        raise UserError(f'{config.data} has no features: set features = "identity", a learned row for each node')
    else:
        found = graph.features.tocoo()
    values = found.data
    if config.normalise and config.features == "own":
        sums = np.bincount(found.row, np.abs(values), minlength=len(graph))
        values = (values / np.maximum(sums, 1e-12)[found.row]).astype(np.float32)
    places = torch.from_numpy(np.stack([found.row, found.col]).astype(np.int64))
    return torch.sparse_coo_tensor(places, torch.from_numpy(values), found.shape, check_invariants=True).coalesce()


class ClassifyNodes:
    """See `neuralcore.fitting.task.Task`."""

    def __init__(self, config: NodesConfig, seed: int = 0):
        self.config, self.score, self.lower = config, config.judge, config.judge == "loss"
        self.graph = read_labelled_graph(config.data)
        if config.fit.precision != "fp32":
            raise UserError("nodes has sparse features, which are multiplied in fp32 only: leave precision out")
        self.features = feature_matrix(self.graph, config)
        self.ends = torch.from_numpy(self.graph.both_ways())
        self.labels = torch.from_numpy(self.graph.labels)
        self.description: dict[str, Any] = {
            "names": list(self.graph.names),
            "features": self.features.shape[1],
            "nodes": len(self.graph),
        }
        with seeded_torch(seed, "weights"):
            self.model: Any = config.rebuild(self.description)

    @property
    def classes(self) -> int:
        """K."""
        return len(self.graph.names)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training nodes, shuffled."""
        return generator.permutation(self.graph.rows["train"])

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Nodes:
        """Those nodes, and the graph they are in."""
        if self.features.device != device:
            self.features, self.ends = self.features.to(device), self.ends.to(device)
            self.labels = self.labels.to(device)
        chosen = torch.from_numpy(rows).to(device)
        return Nodes(self.features, self.ends, chosen, self.labels[chosen])

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Nodes, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean cross entropy of a batch's nodes and the config's L2 term; the share that is told right."""
        logits = self.model(batch.features, batch.ends)[batch.rows]
        loss = F.cross_entropy(logits, batch.labels)
        if self.config.l2_first:
            loss = loss + 0.5 * self.config.l2_first * sum(w.square().sum() for w in self.model.first())
        return loss, {"accuracy": (logits.detach().argmax(1) == batch.labels).float().mean()}

    @torch.no_grad()
    def logits(self) -> np.ndarray:
        """(N, K) float32 of all nodes."""
        device = next(self.model.parameters()).device
        return self.model(self.features.to(device), self.ends.to(device)).cpu().numpy()

    def evaluate(self, split: str) -> dict[str, float]:
        """Accuracy with its interval, loss and calibration error of the split's nodes."""
        rows = self.graph.rows.get(split, ())
        return classification(self.logits()[rows], self.graph.labels[rows]) if len(rows) else {}

    def draw(self, folder: Path) -> None:
        """Confusion and calibration of the test nodes, and how often they are told by how far a training node is."""
        rows = self.graph.rows["test"] if len(self.graph.rows["test"]) else self.graph.rows["train"]
        logits, labels = self.logits()[rows].astype(np.float64), self.graph.labels[rows]
        matrix = confusion(labels, logits.argmax(1), self.classes)
        confusion_picture(matrix, self.graph.names, folder / "confusion.png")
        odds = np.exp(logits - logits.max(1, keepdims=True))
        calibration_picture(odds / odds.sum(1, keepdims=True), labels, folder / "calibration.png")
        right = logits.argmax(1) == labels
        distance_picture(distances(self.graph, self.graph.rows["train"])[rows], right, folder / "by_distance.png")


def distances(graph: LabelledGraph, begin: np.ndarray) -> np.ndarray:
    """(N,) int64: the edges between each node and the nearest of some (n,); -1 where no way leads there."""
    senders, receivers = graph.both_ways()
    found = np.full(len(graph), -1)
    found[begin] = 0
    for step in range(1, len(graph)):
        reached = receivers[found[senders] == step - 1]
        reached = reached[found[reached] < 0]
        if not len(reached):
            break
        found[reached] = step
    return found


def distance_picture(distance: np.ndarray, right: np.ndarray, path: Path) -> None:
    """Of nodes at each distance (n,) from the training nodes: which share is right (n,), and how many they are."""
    figure = figures.Figure(figsize=(4.6, 3.2), layout="constrained")
    axis = figure.subplots()
    steps = [*sorted(set(distance[distance >= 0].tolist())), *([-1] if (distance < 0).any() else [])]
    for place, step in enumerate(steps):
        mine = right[distance == step]
        axis.bar(place, mine.mean(), color=BLUE if step >= 0 else GREY)
        axis.text(place, mine.mean() + 0.01, f"{len(mine)}", ha="center", fontsize=7)
    axis.set_xticks(range(len(steps)), ["no way" if step < 0 else str(step) for step in steps], fontsize=8)
    axis.set_ylim(0.0, 1.08)
    axis.set_xlabel("edges to the nearest training node; numbers: nodes")
    axis.set_ylabel("told right")
    figure.savefig(path, dpi=120)
