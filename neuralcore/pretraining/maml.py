"""MAML: weights from which a few gradient steps on few examples tell classes that were never seen.

    θ' = θ - α ∇ L_support(θ), repeated;   θ <- θ - β ∇_θ L_query(θ')

Finn et al. 2017 (https://arxiv.org/abs/1703.03400). The gradient goes through the steps; "first" takes their
derivative for the identity (section 5.2). Batch norms use the statistics of the batch, queries' too, as in the
paper's code: an episode's queries help each other. Axes: E episodes, N ways, K shots, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import device_of
from neuralcore.fitting.pictures import images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.pretraining.conv4 import Conv4
from neuralcore.pretraining.episodes import Episode, EpisodeData, accuracies, figures, own_class
from neuralcore.pretraining.episodes_config import MAMLConfig
from neuralcore.seeding import seeded_torch
from neuralcore.vision.normalised import ImageModel

Weights = dict[str, torch.Tensor]


def adapted(
    loss: Callable[[Weights], torch.Tensor],
    weights: Mapping[str, torch.Tensor],
    steps: int,
    rate: float,
    *,
    second_order: bool,
) -> Weights:
    """Weights after `steps` of gradient descent on a loss, as a function of those it begins with.

    Args:
        second_order: whether the gradient of what comes out goes through the steps' gradients too.
    """
    now = dict(weights)
    with torch.enable_grad():  # the loop evaluates without gradients, and steps need them
        for _ in range(steps):
            gradients = torch.autograd.grad(loss(now), list(now.values()), create_graph=second_order)
            now = {name: value - rate * gradient for (name, value), gradient in zip(now.items(), gradients)}
    return now


def network(config: MAMLConfig, description: dict[str, Any]) -> ImageModel:
    """The model for images like those that are described."""
    channels, size, _ = description["shape"]
    try:
        net = Conv4(config.ways, channels=channels, size=size, width=config.width, remembers=False)
    except ValueError as error:
        raise UserError(str(error)) from None
    return ImageModel(net, description["mean"], description["std"])


class MetaTask:
    """The task "maml"; see `neuralcore.fitting.task.Task`."""

    score, lower = "accuracy", False

    def __init__(self, config: MAMLConfig, seed: int = 0):
        self.config, self.episodes = config, EpisodeData(config, seed)
        if self.episodes.ways < config.ways:
            raise UserError(
                f"{config.data}: {self.episodes.ways} classes to learn from are too few for {config.ways} ways"
            )
        self.description = self.episodes.description
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """Numbers of episodes."""
        return self.episodes.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Episode:
        """As many episodes of the classes that are learned from."""
        return self.episodes.batch(rows, generator, device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Episode, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The queries' cross entropy, after the steps of each episode."""
        second = self.config.order == "second"
        logits = torch.stack([self.told(s, q, second_order=second) for s, q in zip(batch.support, batch.query)])
        return own_class(logits), {"accuracy": float(accuracies(logits.detach()).mean())}

    def told(self, support: torch.Tensor, query: torch.Tensor, *, second_order: bool = False) -> torch.Tensor:
        """(N, Q, N) logits of an episode's queries (N, Q, C, H, W) after the steps on its examples (N, K, …)."""
        labels = torch.arange(len(support), device=support.device).repeat_interleave(support.shape[1])

        def loss(weights: Weights) -> torch.Tensor:
            return F.cross_entropy(functional_call(self.model, weights, (support.flatten(0, 1),)).float(), labels)

        weights = dict(self.model.named_parameters())
        after = adapted(loss, weights, self.config.steps, self.config.rate, second_order=second_order)
        return functional_call(self.model, after, (query.flatten(0, 1),)).float().unflatten(0, query.shape[:2])

    def evaluate(self, split: str) -> dict[str, float]:
        """The mean accuracy of episodes; "test" are the held out classes."""
        if split not in self.episodes.splits:
            return {}
        device, found = device_of(self.model), []
        for rows in self.episodes.judged(split):
            episode = self.episodes.taken(split, [rows], device)
            found.append(accuracies(self.told(episode.support[0], episode.query[0])[None]))
        return figures(np.concatenate(found))

    def draw(self, folder: Path) -> None:
        """Queries of an episode with what they are taken for."""
        split = "test" if "test" in self.episodes.splits else "train"
        rows = self.episodes.judged(split)[0]
        episode = self.episodes.taken(split, [rows], device_of(self.model))
        taken = self.told(episode.support[0], episode.query[0]).argmax(2)[:, :7]
        images, names = self.episodes.splits[split], self.episodes.images.names
        of = [names[images.labels[row[0]]] for row in rows.support]
        titles = [f"{of[n]}, taken\nfor {of[t]}" for n, row in enumerate(taken) for t in row]
        images_picture(images.images[rows.query[:, :7].ravel()], titles, folder / "episode.png", 7)
