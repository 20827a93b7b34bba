"""The images of a task: read, held out by the seed as the task "classify" does it, and taken row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from neuralcore.data.images import Images, read_images
from neuralcore.errors import UserError
from neuralcore.fitting.image_task import ImageTaskConfig

AT_ONCE = 512  # images of a batch that is only looked at


class ImageSplits:
    """Training, validation and test images.

    Args:
        config: says which. seed: of what is held out.

    Attributes:
        splits: "train", and where there are any "valid" and "test". shape: (C, H, W) of an image; H = W.
        names: of the classes.

    Raises:
        UserError: no images, or none that are square.
    """

    def __init__(self, config: ImageTaskConfig, seed: int):
        found = read_images(config.data)
        train = found["train"]
        if config.examples is not None and config.examples < len(train):
            train = train.of(np.random.default_rng([seed, 1]).permutation(len(train))[: config.examples])
        self.splits: dict[str, Images] = {"train": train}
        if config.valid:
            self.splits["train"], self.splits["valid"] = train.held_out(config.valid, seed)
        if "test" in found:
            self.splits["test"] = found["test"]
        self.shape: tuple[int, int, int] = train.images.shape[1:]
        self.names = train.names
        if self.shape[1] != self.shape[2]:
            raise UserError(
                f"{config.data}: images of {self.shape[1]}x{self.shape[2]} pixels: bring them to one side"
            )
        self._there: tuple[torch.Tensor, torch.Tensor] | None = None  # the training examples, on the device

    def __getitem__(self, split: str) -> Images:
        return self.splits[split]

    def __contains__(self, split: str) -> bool:
        return split in self.splits

    @property
    def judged(self) -> str:
        """The split that pictures are drawn of: "test" where there is one."""
        return next(name for name in ("test", "valid", "train") if name in self.splits)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def take(self, rows: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Training images (B, C, H, W) uint8 and their labels (B,), on the device."""
        if self._there is None or self._there[0].device != device:
            train = self.splits["train"]
            self._there = torch.from_numpy(train.images).to(device), torch.from_numpy(train.labels).to(device)
        chosen = torch.from_numpy(rows).to(device)
        return self._there[0][chosen], self._there[1][chosen]

    def batches(
        self, split: str, device: torch.device, most: int | None = None, at_once: int = AT_ONCE
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(images, labels) of a split in its order, the first `most` of it."""
        images = self.splits[split].of(np.arange(len(self.splits[split]))[:most])
        for start in range(0, len(images), at_once):
            some = slice(start, start + at_once)
            yield torch.from_numpy(images.images[some]).to(device), torch.from_numpy(images.labels[some]).to(device)


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


def description_of(splits: ImageSplits, **more: Any) -> dict[str, Any]:
    """Plain values with which a task's config makes its model again."""
    return {"names": list(splits.names), "shape": list(splits.shape), **more}
