"""The task "pixelcnn": bits a number of images, and images made number by number. Axes as in `pixelcnn`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import ImageSplits, description_of, device_of
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.generative.pictures import tiles
from neuralcore.generative.pixelcnn import PixelCNN
from neuralcore.generative.pixelcnn_config import PixelCNNConfig
from neuralcore.seeding import seeded_torch

AT_ONCE = 128
LOOKED_AT = 2048  # images of a figure while it is fitted; test figures are of all
COMPLETED = 10  # images whose lower half is made, several times


def network(config: PixelCNNConfig, description: dict[str, Any]) -> PixelCNN:
    """The model for images like those that are described."""
    channels, size, _ = description["shape"]
    classes = len(description["names"]) if config.by_class else 0
    c = config
    try:
        return PixelCNN(
            channels=channels,
            size=size,
            levels=c.levels,
            width=c.width,
            layers=c.layers,
            reach=c.reach,
            classes=classes,
        )
    except ValueError as error:
        raise UserError(str(error)) from None


class PixelTask:
    """The task; see `neuralcore.fitting.task.Task`."""

    score, lower = "bits_per_dimension", True

    def __init__(self, config: PixelCNNConfig, seed: int = 0):
        self.config, self.images = config, ImageSplits(config, seed)
        self.description = description_of(self.images)
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return self.images.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Any:
        """(images, labels), of which the latter are None where classes are not given."""
        images, labels = self.images.take(rows, device)
        return images, labels if self.config.by_class else None

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Any, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Bits a number."""
        return self.model.bits(*batch).mean(), {}

    def evaluate(self, split: str) -> dict[str, float]:
        """Bits a number, with the class given where it is."""
        if split not in self.images:
            return {}
        device, most, found = device_of(self.model), None if split == "test" else LOOKED_AT, []
        for images, labels in self.images.batches(split, device, most, AT_ONCE):
            found.append(self.model.bits(images, labels if self.config.by_class else None))
        return {"bits_per_dimension": float(torch.cat(found).double().mean())}

    def draw(self, folder: Path) -> None:
        """Samples, a class a column; and images of whose lower half nothing was shown: first as they are, then
        made."""
        generator, classes = torch.Generator().manual_seed(0), self.model.classes
        columns = min(classes or 10, 10)
        labels = torch.arange(columns).repeat(8) if classes else None
        tiles(self.model.sample(8 * columns, generator, labels), folder / "samples.png", columns)
        some = self.images[self.images.judged].of(np.arange(COMPLETED))
        images = torch.from_numpy(some.images)
        half = images[:, :, : images.shape[2] // 2].repeat_interleave(5, 0)
        labels = torch.from_numpy(some.labels).repeat_interleave(5) if classes else None
        made = self.model.sample(len(half), generator, labels, half)
        whole = self.model.shares(self.model.quantised(images)).to(made.device)
        tiles(torch.cat([whole[:, None], made.unflatten(0, (-1, 5))], 1).flatten(0, 1), folder / "completions.png", 6)
