"""The task "contrast": which two views are of one image, among those of all images of a batch.

Chen et al. 2020, SimCLR (https://arxiv.org/abs/2002.05709). Deviations: batches of hundreds and an optimiser of the
loop, where the paper has thousands and LARS. Axes: B images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuralcore.fitting.image_splits import ImageSplits, device_of
from neuralcore.fitting.pictures import images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.pretraining.losses import nt_xent
from neuralcore.pretraining.trunk_config import ContrastConfig
from neuralcore.pretraining.trunks import described, probe_figures, projecting, trunk_features
from neuralcore.pretraining.views import contrasted
from neuralcore.seeding import seeded_torch
from neuralcore.vision.normalised import ImageModel

AT_ONCE = 256  # images that are told apart in a figure, whatever the batch


def network(config: ContrastConfig, description: dict[str, Any]) -> ImageModel:
    """The model for images like those that are described."""
    return projecting(config, description, config.features, hidden=True)


class ContrastTask:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "loss", True
    by_heart = 0.75  # others that are as far as they can be are not infinitely far

    def __init__(self, config: ContrastConfig, seed: int = 0):
        self.config, self.images = config, ImageSplits(config, seed)
        self.description = described(self.images)
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return self.images.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """(2 B, C, H, W) floats: a view of each, then another of each."""
        return self.views(self.images.take(rows, device)[0], generator)

    def views(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(2 B, C, H, W) of bytes (B, C, H, W)."""
        c, shares = self.config, images.float() / 255.0
        return torch.cat([contrasted(shares, generator, least=c.least, jitter=c.jitter) for _ in range(2)])

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """NT-Xent."""
        first, second = self.model(batch).float().chunk(2)
        return nt_xent(first, second, self.config.temperature).mean(), {}

    def evaluate(self, split: str) -> dict[str, float]:
        """NT-Xent among 256 images, and what a linear probe makes of the trunk's features."""
        if split not in self.images:
            return {}
        generator, device = torch.Generator().manual_seed(0), device_of(self.model)
        losses: list[torch.Tensor] = []
        for images, _ in self.images.batches(split, device, at_once=AT_ONCE):
            if len(images) == AT_ONCE or not losses:  # fewer would be easier to tell apart
                first, second = self.model(self.views(images, generator)).float().chunk(2)
                losses.append(nt_xent(first, second, self.config.temperature).mean())
        figures = {"loss": float(torch.stack(losses).mean())}
        return figures | probe_figures(self.model, self.images, split, self.config.probe)

    def draw(self, folder: Path) -> None:
        """Images with two views of each, and with the images whose features are nearest."""
        shown = self.images[self.images.judged]
        images = torch.from_numpy(shown.images[:6]).to(device_of(self.model))
        views = self.views(images, torch.Generator().manual_seed(0))
        rows = torch.cat([images.float()[None] / 255.0, views.unflatten(0, (2, -1))]).transpose(0, 1).flatten(0, 1)
        images_picture(rows.cpu().numpy(), ["image", "a view", "another"] * 6, folder / "views.png", 6)
        features = torch.nn.functional.normalize(trunk_features(self.model, shown.images[:2_000]), dim=1)
        near = (features[:6] @ features.T).topk(min(6, len(features)), 1).indices.cpu().numpy()
        titles = [shown.names[label] for label in shown.labels[near.ravel()]]
        images_picture(shown.images[near.ravel()], titles, folder / "nearest.png", near.shape[1])
