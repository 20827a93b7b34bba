"""The task "segment": images in, what each pixel belongs to out.

Axes: N images of C x H x W, B tiles in a batch of T x T pixels, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from neuralcore.data.masked import UNLABELLED, Masked, read_masked, with_neighbours
from neuralcore.errors import UserError, nearest
from neuralcore.fitting.losses import balanced_weights
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.seeding import seeded_torch
from neuralcore.segmentation import MODELS
from neuralcore.segmentation.augmentation import cropped, deformed, relit, turned
from neuralcore.segmentation.losses import pixel_cross_entropy, soft_dice
from neuralcore.segmentation.metrics import counts, segmentation
from neuralcore.segmentation.pictures import segmented_picture
from neuralcore.segmentation.segmenting_config import SegmentConfig
from neuralcore.segmentation.tiles import mirrored, predicted
from neuralcore.vision import make_model
from neuralcore.vision.normalised import ImageModel


class Tiles(NamedTuple):
    """A batch.

    Attributes:
        images: (B, C, T + 2 margin, the same) uint8. labels: (B, T, T) int64, 255 where nobody judged.
    """

    images: torch.Tensor
    labels: torch.Tensor


def network(config: SegmentConfig, description: dict[str, Any]) -> ImageModel:
    """The network for images like those that are described, with its normalisation."""
    names, channels = description["names"], description["channels"] * (2 * config.neighbours + 1)
    model = make_model(config.model, len(names), channels, config.tile, config.settings, MODELS)
    return ImageModel(model, description["mean"], description["std"])


class Segmenting:
    """See `neuralcore.fitting.task.Task`.

    Args:
        config: see `SegmentConfig`. seed: of the first weights.

    Attributes:
        splits: "train", and where there are any "valid" and "test". margin: of the network.
    """

    score, lower = "dice", False

    def __init__(self, config: SegmentConfig, seed: int = 0):
        self.config = config
        found = read_masked(config.data)
        channels = found.images.shape[1]
        if config.neighbours:
            found = Masked(with_neighbours(found.images, config.neighbours), found.labels, found.names)
        held = config.valid + config.test
        if held >= len(found):
            raise UserError(
                f"{config.data} has {len(found)} images, of which {held} would be held out: none are left"
            )
        if config.judged and config.judged not in found.names:
            raise UserError(f"judged: no class {config.judged!r}: {nearest(config.judged, found.names)}")
        ends = {"train": len(found) - held, "valid": len(found) - config.test, "test": len(found)}
        self.splits: dict[str, Masked] = {}
        start = 0
        for split, end in ends.items():
            if end > start:
                self.splits[split] = found.of(slice(start, end))
            start = end
        train = self.splits["train"]
        mean, std = train.mean_and_std()
        self.description = {"names": list(train.names), "channels": channels, "mean": mean, "std": std}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        self.margin = int(self.model.network.margin)  # type: ignore[arg-type]
        self._there: tuple[torch.Tensor, torch.Tensor] | None = None  # the training images, on the device
        self._weight: torch.Tensor | None = None
        if config.class_weights == "balanced":
            judged = torch.from_numpy(train.labels[train.labels != UNLABELLED]).long()
            self._weight = balanced_weights(judged, len(train.names))

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """Every training image as often as tiles are cut from it, shuffled."""
        return generator.permutation(np.repeat(np.arange(len(self.splits["train"])), self.config.tiles))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Tiles:
        """A tile of each of those images, turned, deformed and lit as the config says."""
        c, margin = self.config, self.margin
        if self._there is None or self._there[0].device != device:
            train = self.splits["train"]
            tall, wide = (max(side, c.tile) + 2 * margin for side in train.labels.shape[1:])
            images = torch.stack([mirrored(torch.from_numpy(image), tall, wide, margin) for image in train.images])
            labels = mirrored(torch.from_numpy(train.labels), tall, wide, margin)
            self._there = images.to(device), labels.to(device)
        chosen = torch.from_numpy(rows).to(device)
        images, labels = cropped(self._there[0][chosen], self._there[1][chosen], c.tile + 2 * margin, generator)
        if c.turn:
            images, labels = turned(images, labels, generator)
        if c.elastic:
            images, labels = deformed(images, labels, c.elastic, generator)
        if c.relight:
            images = relit(images, c.relight, generator)
        middle = slice(margin, margin + c.tile)
        return Tiles(images, labels[:, middle, middle].long())

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Tiles, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Cross-entropy, and 1 - soft Dice; and the two as figures."""
        logits = self.model(batch.images)
        weight = None if self._weight is None else self._weight.to(logits.device)
        entropy = pixel_cross_entropy(logits, batch.labels, weight)
        figures = {"cross_entropy": entropy.detach()}
        if not self.config.dice:
            return entropy, figures
        soft = soft_dice(logits, batch.labels).mean()
        return entropy + self.config.dice * (1.0 - soft), {**figures, "soft_dice": soft.detach()}

    @torch.no_grad()
    def predictions(self, split: str) -> np.ndarray:
        """(N, K, H, W) float32 probabilities of a split, in its order."""
        device = next(iter(self.model.state_dict().values())).device
        images, c = torch.from_numpy(self.splits[split].images), self.config
        return np.stack(
            [
                predicted(
                    self.model, image.to(device), tile=c.tile, overlap=c.overlap, margin=self.margin, views=c.views
                )
                .cpu()
                .numpy()
                for image in images
            ]
        )

    def evaluate(self, split: str) -> dict[str, float]:
        """Dice and IoU with intervals, of each class too; the share of pixels that are told right; and the loss."""
        if split not in self.splits:
            return {}
        data, odds = self.splits[split], self.predictions(split)
        units = counts(data.labels, odds.argmax(1), len(data.names))
        found = segmentation(units, data.names, self.config.judged)
        judged = data.labels != UNLABELLED
        own = np.take_along_axis(odds, np.where(judged, data.labels, 0)[:, None].astype(np.int64), 1)[:, 0]
        return {**found, "loss": float(-np.log(np.maximum(own[judged], 1e-12)).mean())}

    def draw(self, folder: Path) -> None:
        """Test images (else the held-out ones) with what is there and what was found."""
        split = next((name for name in ("test", "valid") if name in self.splits), "train")
        data = self.splits[split].of(slice(0, 3))
        labels = self.predictions(split)[:3].argmax(1).astype(np.uint8)
        own = self.description["channels"]
        start = own * self.config.neighbours  # of the channels that are an image's own
        segmented_picture(
            data.images[:, start : start + own], data.labels, labels, data.names, folder / "segmented.png"
        )
