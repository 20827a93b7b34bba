"""The task "embed": features of length 1 in which images of a class are near each other, by triplets or pairs.

Hermans et al. 2017 (https://arxiv.org/abs/1703.07737), Schroff et al. 2015 (https://arxiv.org/abs/1503.03832),
Hadsell et al. 2006. A batch has P classes with K images each (Hermans et al., section 2). Axes: B = P K images, F
features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import AT_ONCE, ImageSplits, device_of
from neuralcore.fitting.metrics import proportion
from neuralcore.fitting.pictures import images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.pretraining.losses import batch_hard, pairwise, semi_hard
from neuralcore.pretraining.trunk_config import EmbedConfig
from neuralcore.pretraining.trunks import described, probe_figures, projecting
from neuralcore.seeding import seeded_torch
from neuralcore.vision.normalised import ImageModel

LOOKED_AT = 2_048  # validation images that are looked for; of test images all


def network(config: EmbedConfig, description: dict[str, Any]) -> ImageModel:
    """The model for images like those that are described."""
    return projecting(config, description, config.features, hidden=False)


class EmbedTask:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "recall_at_1", False

    def __init__(self, config: EmbedConfig, seed: int = 0):
        self.config, self.images = config, ImageSplits(config, seed)
        self.description = described(self.images)
        labels = self.images["train"].labels
        counts = np.bincount(labels, minlength=len(self.images.names))
        if (counts >= config.each).sum() < 2:
            raise UserError(f"{config.data}: no two classes have {config.each} training images each")
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """Training images by `each` of a class, these groups shuffled; what is left of a class waits for its turn."""
        labels, each, groups = self.images["train"].labels, self.config.each, []
        for label in range(len(self.images.names)):
            mine = generator.permutation(np.flatnonzero(labels == label))
            groups.append(mine[: len(mine) // each * each].reshape(-1, each))
        whole = np.concatenate(groups)
        return whole[generator.permutation(len(whole))].ravel()

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Any:
        """(images, labels)."""
        return self.images.take(rows, device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def embedded(self, images: torch.Tensor) -> torch.Tensor:
        """(B, F) of length 1."""
        return F.normalize(self.model(images).float(), dim=1)

    def loss(self, batch: Any, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Of triplets, or of all pairs (a, b) of a batch with a after b."""
        images, labels = batch
        features, margin = self.embedded(images), self.config.margin
        if self.config.loss == "batch_hard":
            return batch_hard(features, labels, margin).mean(), {}
        if self.config.loss == "semi_hard":
            return semi_hard(features, labels, margin), {}
        first, second = torch.tril_indices(len(labels), len(labels), -1, device=labels.device)
        return pairwise(features[first], features[second], labels[first] == labels[second], margin).mean(), {}

    def evaluate(self, split: str) -> dict[str, float]:
        """How often the nearest other image of the split is of the same class, and the linear probe."""
        if split not in self.images:
            return {}
        labels, near = self._nearest(split, None if split == "test" else LOOKED_AT, 1)
        found = proportion(int((labels[near[:, 0]] == labels).sum()), len(labels))
        figures = {"recall_at_1": found.value, "recall_at_1_low": found.low, "recall_at_1_high": found.high}
        return figures | probe_figures(self.model, self.images, split, self.config.probe)

    def _nearest(self, split: str, most: int | None, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(N,) labels, and (N, count) the nearest other images."""
        parts = [
            (self.embedded(images), labels)
            for images, labels in self.images.batches(split, device_of(self.model), most)
        ]
        features, labels = (torch.cat(part) for part in zip(*parts))
        near = []
        for start in range(0, len(features), AT_ONCE):
            cosines = features[start : start + AT_ONCE] @ features.T
            own = torch.arange(len(cosines), device=cosines.device)
            cosines[own, start + own] = -torch.inf
            near.append(cosines.topk(count, 1).indices)
        return labels.cpu().numpy(), torch.cat(near).cpu().numpy()

    def draw(self, folder: Path) -> None:
        """Images, and those nearest to them."""
        split = self.images.judged
        shown = self.images[split]
        _, near = self._nearest(split, LOOKED_AT, 5)
        rows = np.concatenate([np.arange(6)[:, None], near[:6]], 1).ravel()
        images_picture(shown.images[rows], [shown.names[i] for i in shown.labels[rows]], folder / "nearest.png", 6)
