"""The task "classify": images in, which class each is of out.

Axes: N images of C x H x W, B of them in a batch, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from neuralcore.data.augmentation import Mixed, cut_mixed, cut_out, flipped, mixed_up, shifted
from neuralcore.data.images import Images, read_images
from neuralcore.errors import UserError
from neuralcore.fitting.losses import balanced_weights, cross_entropy, hinge
from neuralcore.fitting.metrics import classification, confusion
from neuralcore.fitting.pictures import calibration_picture, confusion_picture, images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.seeding import seeded_torch
from neuralcore.vision import make_model
from neuralcore.vision.classification_config import ClassifyConfig
from neuralcore.vision.normalised import ImageModel

AT_ONCE = 512  # images of a batch that is only looked at
AUXILIARY_WEIGHT = 0.3  # of the loss of a head in the midst of the network (Szegedy et al. 2015, section 5)
BEGIN = 4096  # images that a network may look at before it is fitted


class Labelled(NamedTuple):
    """A batch.

    Attributes:
        images: (B, C, H, W), bytes or floats in [0, 1]. labels: (B,) int64.
        others, share: where images are mixed, the label of the other example (B,), and the own one's share (B,).
    """

    images: torch.Tensor
    labels: torch.Tensor
    others: torch.Tensor | None = None
    share: torch.Tensor | None = None


def network(config: ClassifyConfig, description: dict[str, Any]) -> ImageModel:
    """The network for images like those that are described, with its normalisation."""
    channels, height, width = description["shape"]
    if height != width:
        raise UserError(
            f"images of {height}x{width} pixels: the networks here take square ones, bring them to one side"
        )
    model = make_model(config.model, len(description["names"]), channels, height, config.settings)
    return ImageModel(model, description["mean"], description["std"])


class Classification:
    """See `neuralcore.fitting.task.Task`.

    Args:
        config: see `ClassifyConfig`. seed: of what is held out, and of the first weights.

    Attributes:
        splits: "train", and where there are any "valid" and "test".
    """

    score, lower = "accuracy", False

    def __init__(self, config: ClassifyConfig, seed: int = 0):
        self.config = config
        found = read_images(config.data)
        train = found["train"]
        if config.examples is not None and config.examples < len(train):
            train = train.of(np.random.default_rng([seed, 1]).permutation(len(train))[: config.examples])
        self.splits: dict[str, Images] = {}
        if config.valid:
            train, self.splits["valid"] = train.held_out(config.valid, seed)
        self.splits = {"train": train, **self.splits}
        if "test" in found:
            self.splits["test"] = found["test"]
        if config.cutout > min(train.images.shape[2:]):
            raise UserError(f"cutout {config.cutout} is more than the side of the images, {train.images.shape[2:]}")
        mean, std = train.mean_and_std()
        shape = list(train.images.shape[1:])
        self.description = {"names": list(train.names), "shape": shape, "mean": mean, "std": std}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        begin = getattr(self.model.network, "begin", None)
        if begin is not None:
            some = np.random.default_rng([seed, 2]).permutation(len(train))[:BEGIN]
            begin(self.model.normalised(torch.from_numpy(train.images[some])))
        if config.start:
            self.taken = start_from(self.model, config.start)
        self._there: tuple[torch.Tensor, torch.Tensor] | None = None  # the training examples, on the device
        self._weight: torch.Tensor | None = None
        if config.class_weights == "balanced":
            self._weight = balanced_weights(torch.from_numpy(train.labels), len(train.names))

    @property
    def classes(self) -> int:
        """K."""
        return len(self.splits["train"].names)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Labelled:
        """Those images, moved, mirrored, cut and mixed as the config says."""
        if self._there is None or self._there[0].device != device:
            train = self.splits["train"]
            self._there = torch.from_numpy(train.images).to(device), torch.from_numpy(train.labels).to(device)
        chosen = torch.from_numpy(rows).to(device)
        images, labels = self._there[0][chosen], self._there[1][chosen]
        c = self.config
        if c.shift:
            images = shifted(images, c.shift, generator)
        if c.flip:
            images = flipped(images, generator)
        if c.cutout:
            images = cut_out(images, c.cutout, generator, 255.0 * torch.tensor(self.description["mean"]))
        if not (c.mixup or c.cutmix):
            return Labelled(images, labels)
        mixed = self._mixed(images, generator)
        return Labelled(mixed.images, labels, labels[mixed.partner.to(device)], mixed.share.to(device))

    def _mixed(self, images: torch.Tensor, generator: torch.Generator) -> Mixed:
        c = self.config
        is_up = c.mixup and (not c.cutmix or float(torch.rand((), generator=generator)) < 0.5)
        if is_up:
            return mixed_up(images.float() / 255.0, c.mixup, generator)
        return cut_mixed(images, c.cutmix, generator)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Labelled, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean loss of a batch, auxiliary heads' with their weight, and the share that is told right."""
        logits, auxiliary = self.model.with_auxiliary(batch.images)
        losses = self._mixed_losses(logits, batch)
        for said in auxiliary:
            losses = losses + AUXILIARY_WEIGHT * self._mixed_losses(said, batch)
        right = (logits.detach().argmax(1) == batch.labels).float().mean()
        return losses.mean(), {"accuracy": right}

    def _mixed_losses(self, logits: torch.Tensor, batch: Labelled) -> torch.Tensor:
        logits = logits.float()
        losses = self.losses(logits, batch.labels)
        if batch.others is None or batch.share is None:
            return losses
        return batch.share * losses + (1.0 - batch.share) * self.losses(logits, batch.others)

    def losses(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """(B,) of logits (B, K) and labels (B,)."""
        if self.config.loss == "hinge":
            return hinge(logits, labels)
        weight = None if self._weight is None else self._weight.to(logits.device)
        return cross_entropy(logits, labels, weight=weight, smoothing=self.config.smoothing, focus=self.config.focus)

    @torch.no_grad()
    def logits(self, split: str) -> np.ndarray:
        """(N, K) float32 of a split, in its order."""
        device = next(iter(self.model.state_dict().values())).device
        images = self.splits[split].images
        found = []
        for start in range(0, len(images), AT_ONCE):
            some = torch.from_numpy(images[start : start + AT_ONCE]).to(device)
            logits = self.model(some).float()
            if self.config.both_sides:
                logits = (logits + self.model(some.flip(3)).float()) / 2.0
            found.append(logits.cpu().numpy())
        return np.concatenate(found)

    def evaluate(self, split: str) -> dict[str, float]:
        """Accuracy with its interval, log loss and calibration error."""
        if split not in self.splits:
            return {}
        return classification(self.logits(split), self.splits[split].labels)

    def draw(self, folder: Path) -> None:
        """Confusion and calibration of the test images (else the held-out ones), and those that were told worst."""
        split = next((name for name in ("test", "valid") if name in self.splits), "train")
        images, logits = self.splits[split], self.logits(split).astype(np.float64)
        matrix = confusion(images.labels, logits.argmax(1), self.classes)
        if self.classes <= 100:
            confusion_picture(matrix, images.names, folder / "confusion.png")
        odds = np.exp(logits - logits.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        calibration_picture(odds, images.labels, folder / "calibration.png")
        own = odds[np.arange(len(odds)), images.labels]
        worst = np.argsort(own, kind="stable")[:24]
        names = images.names
        titles = [
            f"{names[images.labels[i]]}, taken for\n{names[logits[i].argmax()]} {odds[i].max():.2f}" for i in worst
        ]
        images_picture(images.images[worst], titles, folder / "worst.png")


def start_from(model: ImageModel, run: str) -> list[str]:
    """Take the weights of a fitted model where name and shape agree; their names.

    Raises:
        UserError: none agrees.
    """
    from neuralcore.fitting.saved import load_model

    theirs, mine = load_model(run).model.state_dict(), model.state_dict()
    taken = [n for n, value in theirs.items() if n in mine and mine[n].shape == value.shape]
    if not any(name.startswith("network.") for name in taken):
        raise UserError(f"start: no weights of {run} fit this network: it is another model, or of another size")
    for name in taken:
        mine[name].copy_(theirs[name])
    return taken
