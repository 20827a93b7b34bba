"""Episodes of few-shot learning: N classes with K labelled examples of each, and Q of each to tell.

Vinyals et al. 2016 (https://arxiv.org/abs/1606.04080). Classes to learn from and classes to be judged by are
disjoint. Axes: E episodes, N ways, K shots, Q queries; images C x H x W.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import ImageSplits, description_of
from neuralcore.fitting.metrics import Interval
from neuralcore.pretraining.episodes_config import EpisodesConfig


class Rows(NamedTuple):
    """Which images are an episode, or several.

    Attributes:
        support: (…, N, K) int64, the labelled ones; a class is a row. query: (…, N, Q), others of the same classes.
    """

    support: np.ndarray
    query: np.ndarray


class Episode(NamedTuple):
    """Episodes as images.

    Attributes:
        support: (E, N, K, C, H, W) uint8. query: (E, N, Q, C, H, W).
    """

    support: torch.Tensor
    query: torch.Tensor


def draw(by_class: list[np.ndarray], ways: int, shots: int, queries: int, generator: np.random.Generator) -> Rows:
    """One episode of the rows of each class; no image comes twice."""
    classes = generator.choice(len(by_class), ways, replace=False)
    rows = np.stack([generator.choice(by_class[c], shots + queries, replace=False) for c in classes])
    return Rows(rows[:, :shots], rows[:, shots:])


def mean_interval(values: np.ndarray) -> Interval:
    """The mean of episodes' accuracies (E,) with its 95 % interval, ±1.96 standard errors."""
    half = 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


class EpisodeData:
    """Images of a set, its classes in two parts by a seed.

    Args:
        config: see `EpisodesConfig`. seed: of which classes are held out.

    Attributes:
        splits: "train"; "valid", other images of the same classes; "test", test images of the held out classes.
        description: for the model, with the held out classes by name.

    Raises:
        UserError: too few classes, or too few images of one.
    """

    def __init__(self, config: EpisodesConfig, seed: int):
        self.config, self.images = config, ImageSplits(config, seed)
        names, c = self.images.names, config
        learned = len(names) - c.held_out
        if learned < 2:
            raise UserError(
                f"{c.data} has {len(names)} classes: held_out = {c.held_out} leaves too few to learn from"
            )
        order = np.random.default_rng([seed, len(names)]).permutation(len(names))
        held, kept = np.sort(order[: c.held_out]), np.sort(order[c.held_out :])
        self.ways = min(c.ways, learned)  # of training
        self.splits = {name: self.images[name] for name in self.images.splits}
        self.by_class: dict[str, list[np.ndarray]] = {}
        for name, images in self.splits.items():
            classes = held if name == "test" else kept
            self.by_class[name] = [np.flatnonzero(images.labels == label) for label in classes]
            least = min(len(rows) for rows in self.by_class[name])
            if least < c.shots + c.queries:
                raise UserError(
                    f"{c.data}: a class has {least} {name} images, an episode needs {c.shots} + {c.queries} of each: "
                    "lower shots or queries"
                )
        mean, std = self.splits["train"].of(np.concatenate(self.by_class["train"])).mean_and_std()
        self.description = description_of(self.images, mean=mean, std=std, held_out=[names[label] for label in held])

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """Numbers of an epoch's episodes; what is in them is drawn when they are taken."""
        return np.arange(self.config.episodes)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Episode:
        """As many training episodes as there are rows."""
        numpy = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        c = self.config
        drawn = [draw(self.by_class["train"], self.ways, c.shots, c.queries, numpy) for _ in rows]
        return self.taken("train", drawn, device)

    def taken(self, split: str, drawn: list[Rows], device: torch.device) -> Episode:
        """Episodes as images."""
        images = self.splits[split].images
        parts = (np.stack([episode.support for episode in drawn]), np.stack([episode.query for episode in drawn]))
        return Episode(*(torch.from_numpy(images[rows]).to(device) for rows in parts))

    def judged(self, split: str) -> list[Rows]:
        """The episodes of a figure, the same each time."""
        generator, c = np.random.default_rng([1, len(split)]), self.config
        ways = self.ways if split != "test" else c.ways
        return [draw(self.by_class[split], ways, c.shots, c.queries, generator) for _ in range(c.judged)]


def own_class(logits: torch.Tensor) -> torch.Tensor:
    """The mean cross entropy of logits (E, N, Q, N), whose axis 1 is what a query is."""
    ways = logits.shape[1]
    labels = torch.arange(ways, device=logits.device)[:, None].expand(logits.shape[:3])
    return F.cross_entropy(logits.reshape(-1, ways), labels.reshape(-1))


def accuracies(logits: torch.Tensor) -> np.ndarray:
    """(E,) shares of queries that are told right, of logits (E, N, Q, N)."""
    right = logits.argmax(3) == torch.arange(logits.shape[1], device=logits.device)[:, None]
    return right.float().mean((1, 2)).cpu().numpy().astype(np.float64)


def figures(values: np.ndarray) -> dict[str, float]:
    """The mean accuracy of episodes with its interval."""
    found = mean_interval(values)
    return {"accuracy": found.value, "accuracy_low": found.low, "accuracy_high": found.high}
