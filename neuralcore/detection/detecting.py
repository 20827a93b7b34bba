"""The task "detect": images in, boxes around objects out.

Axes: N images of C x H x W, B of them in a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from neuralcore.data.boxed import Boxed, read_boxed
from neuralcore.detection import MODELS
from neuralcore.detection.augmentation import flipped, recoloured, scaled
from neuralcore.detection.average_precision import Boxes, detection
from neuralcore.detection.detecting_config import DetectConfig
from neuralcore.detection.masks import pasted
from neuralcore.detection.objects import Found, Objects
from neuralcore.detection.pictures import detected_picture
from neuralcore.errors import UserError
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.seeding import seeded_torch
from neuralcore.vision import make_model
from neuralcore.vision.normalised import ImageModel

AT_ONCE = 16  # images of a batch that is only looked at


class Scenes(NamedTuple):
    """A batch.

    Attributes:
        images: (B, C, H, W) uint8. objects: of each image.
    """

    images: torch.Tensor
    objects: list[Objects]


def network(config: DetectConfig, description: dict[str, Any]) -> ImageModel:
    """The network for images like those that are described, with its normalisation."""
    channels, height, width = description["shape"]
    model = make_model(config.model, len(description["names"]), channels, max(height, width), config.settings, MODELS)
    return ImageModel(model, description["mean"], description["std"])


class Detecting:
    """See `neuralcore.fitting.task.Task`.

    Args:
        config: see `DetectConfig`. seed: of the first weights.

    Attributes:
        splits: "train", and where there are any "valid" and "test".
    """

    score, lower = "map_50", False

    def __init__(self, config: DetectConfig, seed: int = 0):
        self.config = config
        found = read_boxed(config.data, config.side)
        if config.learn not in found:
            raise UserError(f"{config.data} has no list of {config.learn}, it has {', '.join(found)}")
        train = found[config.learn]
        self.splits: dict[str, Boxed] = {"train": train}
        if config.learn == "train" and "val" in found:
            self.splits["valid"] = found["val"]
        if "test" in found:
            self.splits["test"] = found["test"]
        mean, std = train.mean_and_std()
        shape = list(train.images.shape[1:])
        self.description = {"names": list(train.names), "shape": shape, "mean": mean, "std": std}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        self._there: tuple[torch.Tensor, list[Objects]] | None = None  # the training examples, on the device

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Scenes:
        """Those images, mirrored, scaled and coloured as the config says."""
        if self._there is None or self._there[0].device != device:
            self._there = _as_tensors(self.splits["train"], device)
        images = self._there[0][torch.from_numpy(rows).to(device)]
        objects = [self._there[1][row] for row in rows]
        c = self.config
        if c.flip != "none":
            images, objects = flipped(images, objects, c.flip == "both", generator)
        if c.scale:
            images, objects = scaled(
                images, objects, c.scale, 255.0 * torch.tensor(self.description["mean"]), generator
            )
        if c.colour:
            images = recoloured(images, c.colour, generator)
        return Scenes(images, objects)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Scenes, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The sum of the network's losses, and each of them."""
        given = self.model.normalised(batch.images)
        losses = self.model.network.losses(given, batch.objects, generator)  # type: ignore[operator]
        return sum(losses.values()), {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def found(self, split: str) -> list[Found]:
        """What is found in each image of a split, in its order, on the CPU."""
        device = next(iter(self.model.state_dict().values())).device
        images = self.splits[split].images
        found: list[Found] = []
        for start in range(0, len(images), AT_ONCE):
            some = self.model.normalised(torch.from_numpy(images[start : start + AT_ONCE]).to(device))
            for one in self.model.network.detect(some):  # type: ignore[operator]
                found.append(Found(*(None if part is None else part.cpu() for part in one)))  # type: ignore[arg-type]
        return found

    def evaluate(self, split: str) -> dict[str, float]:
        """Average precisions: VOC's at IoU ½ with its interval, and of each class; COCO's."""
        if split not in self.splits:
            return {}
        data = self.splits[split]
        found = [as_boxes(one, *data.images.shape[2:]) for one in self.found(split)]
        masks: Sequence[np.ndarray | None] = data.masks if data.masks is not None else [None] * len(data)
        there = [
            Boxes(box, kind, None, hard, mask)
            for box, kind, hard, mask in zip(data.boxes, data.kinds, data.difficult, masks, strict=True)
        ]
        return detection(found, there, data.names)

    def draw(self, folder: Path) -> None:
        """Test images (else held-out ones) with what was found in them."""
        split = next((name for name in ("test", "valid") if name in self.splits), "train")
        data, found = self.splits[split], self.found(split)[:6]
        detected_picture(data.images[:6], found, data.boxes[:6], data.names, folder / "detected.png")


def as_boxes(found: Found, height: int, width: int) -> Boxes:
    """What was found in an image of that size, its masks as pixels."""
    masks = None
    if found.masks is not None:
        pixels = [pasted(mask, box, height, width) for mask, box in zip(found.masks, found.boxes, strict=True)]
        masks = torch.stack(pixels).numpy() if pixels else np.zeros((0, height, width), bool)
    return Boxes(found.boxes.numpy(), found.kinds.numpy(), found.scores.numpy(), masks=masks)


def _as_tensors(data: Boxed, device: torch.device) -> tuple[torch.Tensor, list[Objects]]:
    objects = []
    for n in range(len(data)):
        arrays = (data.boxes[n], data.kinds[n], data.difficult[n], None if data.masks is None else data.masks[n])
        objects.append(Objects(*(None if a is None else torch.from_numpy(a).to(device) for a in arrays)))  # type: ignore[arg-type]
    return torch.from_numpy(data.images).to(device), objects
