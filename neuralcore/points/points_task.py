"""The tasks "points", which solid a cloud is, and "points_autoencode". Axes as in `pointnet`; N clouds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.data.examples import Examples, split
from neuralcore.data.solids import solids
from neuralcore.fitting.metrics import classification, confusion
from neuralcore.fitting.pictures import confusion_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.layers.chamfer import chamfer_distance
from neuralcore.lazy import lazy_import
from neuralcore.points.pointnet import skewness
from neuralcore.points.points_config import PointsAutoencodeConfig, PointsConfig
from neuralcore.seeding import seeded_torch

figures = lazy_import("matplotlib.figure", extra="plots")

AT_ONCE = 128  # clouds of a batch that is only looked at

Batch = tuple[torch.Tensor, torch.Tensor]  # clouds (B, P, 3), labels (B,)


def read_points(points: int) -> dict[str, Examples]:
    """Training and test clouds."""
    return {"train": solids(2_000, points, seed=0), "test": solids(500, points, seed=1)}


class ClassifyPoints:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "accuracy", False

    def __init__(self, config: PointsConfig, seed: int = 0):
        self.config = config
        self.splits = split(read_points(config.points), config.valid, seed)
        self.description: dict[str, Any] = {"names": list(self.splits["train"].names)}
        with seeded_torch(seed, "weights"):
            self.model: Any = config.rebuild(self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training clouds, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Batch:
        """Those clouds, jittered."""
        clouds = torch.from_numpy(self.splits["train"].values[rows])
        if self.config.jitter:
            clouds = clouds + self.config.jitter * torch.randn(clouds.shape, generator=generator)
        return clouds.to(device), torch.from_numpy(self.splits["train"].labels[rows]).to(device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Cross entropy and how far the transform of features is from orthogonal; the share that is told right."""
        clouds, labels = batch
        logits, matrix = self.model.with_transform(clouds)
        loss = F.cross_entropy(logits.float(), labels)
        if matrix is not None and self.config.orthogonal:
            loss = loss + self.config.orthogonal * skewness(matrix.float()).mean()
        return loss, {"accuracy": (logits.detach().argmax(1) == labels).float().mean()}

    @torch.no_grad()
    def logits(self, name: str) -> np.ndarray:
        """(N, K) float32 of a split, in its order."""
        device = next(self.model.parameters()).device
        clouds = torch.from_numpy(self.splits[name].values).split(AT_ONCE)
        return np.concatenate([self.model(some.to(device)).float().cpu().numpy() for some in clouds])

    def evaluate(self, split: str) -> dict[str, float]:
        """Accuracy with its interval, loss and calibration error."""
        if split not in self.splits:
            return {}
        return classification(self.logits(split), self.splits[split].labels)

    def draw(self, folder: Path) -> None:
        """Confusion."""
        clouds = self.splits["test"]
        matrix = confusion(clouds.labels, self.logits("test").argmax(1), len(clouds.names))
        confusion_picture(matrix, clouds.names, folder / "confusion.png")


class AutoencodePoints:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "chamfer", True

    def __init__(self, config: PointsAutoencodeConfig, seed: int = 0):
        self.config = config
        self.splits = split(read_points(config.points), config.valid, seed)
        self.description: dict[str, Any] = {"points": config.points}
        with seeded_torch(seed, "weights"):
            self.model: Any = config.rebuild(self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training clouds, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """(B, P, 3): those clouds."""
        return torch.from_numpy(self.splits["train"].values[rows]).to(device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The Chamfer distance."""
        return chamfer_distance(self.model(batch), batch).mean(), {}

    @torch.no_grad()
    def evaluate(self, split: str) -> dict[str, float]:
        """The mean Chamfer distance; clouds have radius 1."""
        if split not in self.splits:
            return {}
        device = next(self.model.parameters()).device
        clouds = torch.from_numpy(self.splits[split].values).to(device).split(AT_ONCE)
        return {"chamfer": float(torch.cat([chamfer_distance(self.model(c), c) for c in clouds]).double().mean())}

    def draw(self, folder: Path) -> None:
        """Six test clouds, each above what came back, seen along the third axis."""
        device = next(self.model.parameters()).device
        clouds = torch.from_numpy(self.splits["test"].values[:6])
        made = self.model(clouds.to(device)).float().cpu()
        figure = figures.Figure(figsize=(9.0, 3.2), layout="constrained")
        for row, axes in zip((clouds, made), figure.subplots(2, len(clouds), squeeze=False)):
            for cloud, axis in zip(row, axes):
                axis.scatter(cloud[:, 0], cloud[:, 1], s=1.0, c=cloud[:, 2], cmap="viridis")
                axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal", xticks=[], yticks=[])
        figure.savefig(folder / "clouds.png", dpi=120)
