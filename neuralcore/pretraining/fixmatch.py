"""The task "fixmatch": classes from few labels and many images without.

    loss = H(y, p(weak(x))) + λ [max p(weak(u)) >= τ] H(argmax p(weak(u)), p(strong(u)))

Sohn et al. 2020 (https://arxiv.org/abs/2001.07685), with τ 0.95 and λ 1 as there. Deviations: the strong view is a
fixed set of changes (`views.strongly`), not RandAugment; μ is 4 (7), and epochs are few. An epoch is one of the
unlabelled images. Axes: B labelled images, μ B unlabelled ones, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import ImageSplits, device_of
from neuralcore.fitting.metrics import classification, confusion
from neuralcore.fitting.pictures import confusion_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.pretraining.trunk_config import FixMatchConfig
from neuralcore.pretraining.trunks import described, make_network
from neuralcore.pretraining.views import strongly, weakly
from neuralcore.seeding import seeded_torch
from neuralcore.vision.normalised import ImageModel


class Mixed(NamedTuple):
    """A batch.

    Attributes:
        labelled: (B, C, H, W) weak views, floats as all. labels: (B,).
        weak, strong: (μ B, C, H, W) views of unlabelled images; None where they are not learned from.
    """

    labelled: torch.Tensor
    labels: torch.Tensor
    weak: torch.Tensor | None
    strong: torch.Tensor | None


def pseudo_labels(logits: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(B,) the likeliest class of logits (B, K), and (B,) bool whether its probability reaches the threshold."""
    sure, taken = torch.softmax(logits.detach().float(), 1).max(1)
    return taken, sure >= threshold


def network(config: FixMatchConfig, description: dict[str, Any]) -> ImageModel:
    """The model for images like those that are described."""
    return make_network(config, description, len(description["names"]))


class FixMatchTask:
    """See `neuralcore.fitting.task.Task`.

    Attributes:
        labelled: rows of the training images whose labels are seen.
    """

    score, lower = "accuracy", False

    def __init__(self, config: FixMatchConfig, seed: int = 0):
        self.config, self.images = config, ImageSplits(config, seed)
        self.description = described(self.images)
        labels, generator = self.images["train"].labels, np.random.default_rng([seed, config.labels])
        chosen = []
        for label, name in enumerate(self.images.names):
            mine = np.flatnonzero(labels == label)
            if len(mine) < config.labels:
                raise UserError(f"{config.data}: {name} has {len(mine)} training images, labels = {config.labels}")
            chosen.append(generator.permutation(mine)[: config.labels])
        self.labelled = np.sort(np.concatenate(chosen))
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled, as unlabelled ones."""
        return self.images.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Mixed:
        """Two views of the rows, and one of labelled images that are drawn, each as often as any."""
        c = self.config
        count = max(len(rows) // c.ratio, 1)
        drawn = self.labelled[torch.randint(len(self.labelled), (count,), generator=generator).numpy()]
        images, labels = self.images.take(drawn, device)
        known = weakly(images.float() / 255.0, generator, flip=c.flip)
        if not c.weight:
            return Mixed(known, labels, None, None)
        unknown = self.images.take(rows, device)[0].float() / 255.0
        views = (view(unknown, generator, flip=c.flip) for view in (weakly, strongly))
        return Mixed(known, labels, *views)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Mixed, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Both losses; all views go through the network together, so batch norms see them alike."""
        if batch.weak is None or batch.strong is None:
            return F.cross_entropy(self.model(batch.labelled).float(), batch.labels), {}
        sizes = [len(batch.labelled), len(batch.weak), len(batch.strong)]
        logits = self.model(torch.cat([batch.labelled, batch.weak, batch.strong])).float()
        known, weak, strong = logits.split(sizes)
        taken, sure = pseudo_labels(weak, self.config.threshold)
        supervised = F.cross_entropy(known, batch.labels)
        guessed = (F.cross_entropy(strong, taken, reduction="none") * sure).mean()
        figures = {"supervised": supervised.detach(), "guessed": guessed.detach(), "sure": sure.float().mean()}
        return supervised + self.config.weight * guessed, figures

    def _logits(self, split: str) -> np.ndarray:
        device = device_of(self.model)
        return (
            torch.cat([self.model(images).float() for images, _ in self.images.batches(split, device)]).cpu().numpy()
        )

    def evaluate(self, split: str) -> dict[str, float]:
        """Accuracy with its interval, log loss and calibration error."""
        return classification(self._logits(split), self.images[split].labels) if split in self.images else {}

    def draw(self, folder: Path) -> None:
        """What is taken for what."""
        split, names = self.images.judged, self.images.names
        matrix = confusion(self.images[split].labels, self._logits(split).argmax(1), len(names))
        confusion_picture(matrix, names, folder / "confusion.png")
