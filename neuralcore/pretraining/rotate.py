"""The task "rotate": by how many quarters an image was turned. Who tells that has to know what is shown.

Gidaris et al. 2018 (https://arxiv.org/abs/1803.07728): each image is shown in all four turns. Axes: B images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.fitting.image_splits import ImageSplits, device_of
from neuralcore.fitting.metrics import proportion
from neuralcore.fitting.pictures import images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.pretraining.trunk_config import RotateConfig
from neuralcore.pretraining.trunks import described, make_network, probe_figures
from neuralcore.seeding import seeded_torch
from neuralcore.vision.normalised import ImageModel

TURNS = 4
AT_ONCE = 128


def turned(images: torch.Tensor) -> torch.Tensor:
    """(4 B, C, S, S): images (B, C, S, S) as they are, then all a quarter to the left, two quarters, three."""
    return torch.cat([torch.rot90(images, quarters, (2, 3)) for quarters in range(TURNS)])


def network(config: RotateConfig, description: dict[str, Any]) -> ImageModel:
    """The model for images like those that are described."""
    return make_network(config, description, TURNS)


class RotateTask:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "accuracy", False

    def __init__(self, config: RotateConfig, seed: int = 0):
        self.config, self.images = config, ImageSplits(config, seed)
        self.description = described(self.images)
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return self.images.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """(4 B, C, S, S) bytes."""
        return turned(self.images.take(rows, device)[0])

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The cross entropy of the turns, and the share told right."""
        logits = self.model(batch).float()
        labels = self._labels(logits)
        return F.cross_entropy(logits, labels), {"accuracy": (logits.detach().argmax(1) == labels).float().mean()}

    def _labels(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.arange(TURNS, device=logits.device).repeat_interleave(len(logits) // TURNS)

    def evaluate(self, split: str) -> dict[str, float]:
        """The share of turns told right, and what a linear probe makes of the features."""
        if split not in self.images:
            return {}
        right = count = 0
        for images, _ in self.images.batches(split, device_of(self.model), at_once=AT_ONCE):
            logits = self.model(turned(images))
            right += int((logits.argmax(1) == self._labels(logits)).sum())
            count += len(logits)
        found = proportion(right, count)
        figures = {"accuracy": found.value, "accuracy_low": found.low, "accuracy_high": found.high}
        return figures | probe_figures(self.model, self.images, split, self.config.probe)

    def draw(self, folder: Path) -> None:
        """Turned images, and how likely each turn is."""
        images = turned(torch.from_numpy(self.images[self.images.judged].images[:6]))
        odds = torch.softmax(self.model(images.to(device_of(self.model))).float(), 1).cpu()
        titles = [" ".join(f"{100 * p:.0f}" for p in row.tolist()) for row in odds]
        images_picture(images.numpy(), titles, folder / "turns.png", 6)
