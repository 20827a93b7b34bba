"""The task "adversarial": a classifier that is trained on the images that mislead it most.

Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks" (https://arxiv.org/abs/1706.06083):
min_w E max_|δ| ≤ ε loss(w, x + δ), the maximum by PGD. With attack = "fgsm" one step of 1.25 ε from a random point
(Wong et al. 2020, "Fast is better than free", https://arxiv.org/abs/2001.03994), at an eighth of the cost.

Deviation: the attack sees the network in evaluation mode, batch norms with the statistics they have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from neuralcore.fitting.metrics import proportion
from neuralcore.fitting.pictures import images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.understanding.adversarial_config import AdversarialConfig
from neuralcore.understanding.attacks import as_floats, pgd, robust_accuracy
from neuralcore.understanding.score import unvarying
from neuralcore.vision.classification import Classification, Labelled

FAST_STEP = 1.25  # step of the one-step attack, in ε (Wong et al. 2020, section 4.1)
SHOWN = 12  # images in the picture


class Adversarial:
    """See `neuralcore.fitting.task.Task`; around the task "classify", whose data, network and batches it has."""

    score, lower = "robust_accuracy", False

    def __init__(self, config: AdversarialConfig, seed: int = 0):
        self.config, self.plain = config, Classification(config, seed)
        self.model, self.description = self.plain.model, self.plain.description

    @property
    def classes(self) -> int:
        """K."""
        return self.plain.classes

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return self.plain.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Labelled:
        """Those images as "classify" varies them; they are attacked when their loss is asked for."""
        return self.plain.batch(rows, generator, device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Labelled, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The loss of the attacked batch, the clean one's with its weight; and the shares that are told right."""
        images = as_floats(batch.images)
        attacked = self.attacked(images, batch.labels, generator)
        loss, figures = self.plain.loss(batch._replace(images=attacked), generator)
        found = {"robust_accuracy": figures["accuracy"]}
        if self.config.clean:
            plain, figures = self.plain.loss(batch._replace(images=images), generator)
            loss = (loss + self.config.clean * plain) / (1.0 + self.config.clean)
            found["accuracy"] = figures["accuracy"]
        return loss, found

    def attacked(self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Training images (B, C, H, W) in [0, 1], as the config has them attacked."""
        c, fast = self.config, self.config.attack == "fgsm"
        with unvarying(self.model):  # afterwards frozen batch norms are as they were, too
            return pgd(
                self.model,
                images,
                labels,
                c.epsilon,
                norm=c.norm,
                steps=1 if fast else c.steps,
                step_size=FAST_STEP * c.epsilon if fast else None,
                generator=generator,
            )

    def evaluate(self, split: str) -> dict[str, float]:
        """What "classify" says of the images as they are, and robust accuracy with its interval of the first ones."""
        found = self.plain.evaluate(split)
        if not found:
            return found
        data, c = self.plain.splits[split], self.config
        device = self.model.normalised.mean.device
        images, labels = (torch.from_numpy(a[: c.judged]).to(device) for a in (data.images, data.labels))
        with unvarying(self.model):
            right = robust_accuracy(
                self.model, images, labels, c.epsilon, norm=c.norm, steps=c.judge_steps, restarts=c.judge_restarts
            )
        share = proportion(int(right.sum()), len(right))
        robust = {
            "robust_accuracy": share.value,
            "robust_accuracy_low": share.low,
            "robust_accuracy_high": share.high,
        }
        return {**found, **robust}

    def draw(self, folder: Path) -> None:
        """What "classify" draws, and some images before and after an attack, with what they are taken for."""
        self.plain.draw(folder)
        split = next((name for name in ("test", "valid") if name in self.plain.splits), "train")
        data, c = self.plain.splits[split], self.config
        device = self.model.normalised.mean.device
        images, labels = (torch.from_numpy(a[:SHOWN]).to(device) for a in (data.images, data.labels))
        attacked_picture(self.model, as_floats(images), labels, list(data.names), c, folder / "attacked.png")


def attacked_picture(
    model: torch.nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    names: list[str],
    config: AdversarialConfig,
    path: Path,
) -> None:
    """Images (B, C, H, W) in [0, 1] as they are, and below each as the judging attack leaves it."""
    with unvarying(model):
        generator = torch.Generator().manual_seed(0)
        bad = pgd(
            model, images, labels, config.epsilon, norm=config.norm, steps=config.judge_steps, generator=generator
        )
        with torch.no_grad():
            told = [model(x).argmax(1).tolist() for x in (images, bad)]
    titles = [names[k] for k in told[0]] + [f"→ {names[k]}" for k in told[1]]
    images_picture(torch.cat([images, bad]).cpu().numpy(), titles, path, columns=len(images))
