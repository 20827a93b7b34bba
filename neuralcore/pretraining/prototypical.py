"""Prototypical networks: a class is the mean of its few examples' features, and the nearest one is what a query is.

    p(class n | x) = softmax_n(-|f(x) - c_n|²),   c_n = mean of f over the K examples of n

Snell et al. 2017 (https://arxiv.org/abs/1703.05175). Deviation: training has as many ways as there are to tell, the
paper more. Axes: E episodes, N ways, K shots, Q queries, F features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import AT_ONCE, device_of
from neuralcore.fitting.pictures import images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.pretraining.conv4 import Conv4
from neuralcore.pretraining.episodes import Episode, EpisodeData, Rows, accuracies, figures, own_class
from neuralcore.pretraining.episodes_config import EpisodesConfig, PrototypicalConfig
from neuralcore.seeding import seeded_torch
from neuralcore.vision.normalised import Normalised


class Embedding(nn.Module):
    """Images -> features, by the trunk of `Conv4`."""

    def __init__(self, channels: int, size: int, width: int, mean: list[float], std: list[float]):
        super().__init__()
        self.normalised = Normalised(mean, std)
        self.trunk = Conv4(1, channels=channels, size=size, width=width).trunk

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) bytes -> (B, F)."""
        return self.trunk(self.normalised(images)).flatten(1).float()


def distances(support: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """(E, N, Q, N) the logits -|f(x) - c|² of features (E, N, K, F) and (E, N, Q, F)."""
    means = support.mean(2)
    apart = torch.cdist(query.flatten(1, 2), means, compute_mode="donot_use_mm_for_euclid_dist").square()
    return -apart.unflatten(1, query.shape[1:3])


def network(config: EpisodesConfig, description: dict[str, Any]) -> Embedding:
    """The model for images like those that are described."""
    channels, size, _ = description["shape"]
    try:
        return Embedding(channels, size, config.width, description["mean"], description["std"])
    except ValueError as error:
        raise UserError(str(error)) from None


class PrototypicalTask:
    """The task "prototypical"; see `neuralcore.fitting.task.Task`."""

    score, lower = "accuracy", False

    def __init__(self, config: PrototypicalConfig, seed: int = 0):
        self.config, self.episodes = config, EpisodeData(config, seed)
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
        """The cross entropy of the queries."""
        both = torch.cat([batch.support, batch.query], 2)
        features = self.model(both.flatten(0, 2)).unflatten(0, both.shape[:3])
        logits = distances(*features.split([batch.support.shape[2], batch.query.shape[2]], 2))
        return own_class(logits), {"accuracy": float(accuracies(logits.detach()).mean())}

    def evaluate(self, split: str) -> dict[str, float]:
        """The mean accuracy of episodes; "test" are the held out classes."""
        if split not in self.episodes.splits:
            return {}
        features = self._features(split)
        return figures(episode_accuracies(features, self.episodes.judged(split)))

    def _features(self, split: str) -> torch.Tensor:
        """(images, F) of a split."""
        device = device_of(self.model)
        batches = torch.from_numpy(self.episodes.splits[split].images).split(AT_ONCE)
        return torch.cat([self.model(images.to(device)) for images in batches])

    def draw(self, folder: Path) -> None:
        """One example of each class of an episode, and queries with what they are taken for."""
        split = "test" if "test" in self.episodes.splits else "train"
        episode = self.episodes.judged(split)[0]
        features = self._features(split)
        logits = distances(features[episode.support][None], features[episode.query][None])[0]
        images, names = self.episodes.splits[split], self.episodes.images.names
        of = [names[images.labels[rows[0]]] for rows in episode.support]
        rows, titles = [], []
        for number, row in enumerate(episode.query):
            rows += [episode.support[number, 0], *row[:7]]
            taken = logits[number, :7].argmax(1)
            titles += [f"{of[number]}: example", *(f"taken for\n{of[t]}" for t in taken)]
        images_picture(images.images[np.array(rows)], titles, folder / "episode.png")


def episode_accuracies(features: torch.Tensor, drawn: list[Rows], at_once: int = 100) -> np.ndarray:
    """(E,) of episodes, told by the nearest mean of features (images, F), whatever they come from."""
    found = []
    for start in range(0, len(drawn), at_once):
        some = drawn[start : start + at_once]
        support, query = (torch.from_numpy(np.stack([getattr(e, n) for e in some])) for n in ("support", "query"))
        found.append(
            accuracies(distances(features[support.to(features.device)], features[query.to(features.device)]))
        )
    return np.concatenate(found)
