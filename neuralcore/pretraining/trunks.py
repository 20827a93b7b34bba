"""The trunk of a classifier with a head for something else, its features, and the probe that judges them.

Weights have the names that a classifier's have, so `start` of the task "classify" takes them. Axes: B images, F
features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import AT_ONCE, ImageSplits, description_of, device_of
from neuralcore.pretraining.probe import linear_probe
from neuralcore.vision import make_model
from neuralcore.vision.normalised import ImageModel

JUDGED = 2_048  # validation images that the probe tells; of test images all


def make_network(config: Any, description: dict[str, Any], outputs: int) -> ImageModel:
    """The classifier that the config names, for so many classes."""
    channels, size, _ = description["shape"]
    return ImageModel(
        make_model(config.model, outputs, channels, size, config.settings), description["mean"], description["std"]
    )


def projecting(config: Any, description: dict[str, Any], features: int, hidden: bool) -> ImageModel:
    """The trunk with linear layers to so many features in place of its head; with `hidden`, as wide as the trunk's
    features, and a ReLU (Chen et al. 2020, section 4.2)."""
    model = make_network(config, description, 2)
    with torch.no_grad():
        was_training, images = model.training, torch.zeros(1, *description["shape"])
        width = pooled(model.eval().trunk(model.normalised(images))).shape[1]
        model.train(was_training)
    layers = [nn.Linear(width, width), nn.ReLU(inplace=True)] if hidden else []
    model.network.head = nn.Sequential(Pooled(), *layers, nn.Linear(width, features))
    return model


def pooled(maps: torch.Tensor) -> torch.Tensor:
    """(B, F, h, w) -> (B, F), the means over pixels; (B, F) stays."""
    return maps.flatten(2).mean(2) if maps.ndim == 4 else maps


class Pooled(nn.Module):
    """`pooled`, as a layer."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, F, …) -> (B, F)."""
        return pooled(maps)


def described(images: ImageSplits) -> dict[str, Any]:
    """A task's description, with how its images are normalised."""
    mean, std = images["train"].mean_and_std()
    return description_of(images, mean=mean, std=std)


@torch.no_grad()
def trunk_features(model: ImageModel, images: np.ndarray) -> torch.Tensor:
    """(N, F) of images (N, C, H, W) uint8, in evaluation mode."""
    device, found, was_training = device_of(model), [], model.training
    model.eval()
    for some in torch.from_numpy(images).split(AT_ONCE):
        found.append(pooled(model.trunk(model.normalised(some.to(device)))).float())
    model.train(was_training)
    return torch.cat(found)


def probe_figures(model: ImageModel, images: ImageSplits, split: str, count: int) -> dict[str, float]:
    """The accuracy of a linear probe on the trunk's features, from `count` labelled training images; {} for none.

    Raises:
        UserError: there are fewer training images.
    """
    if not count:
        return {}
    train, judged = images["train"], images[split]
    if count > len(train):
        raise UserError(f"probe = {count} is more than the {len(train)} training images")
    train = train.of(np.random.default_rng(count).permutation(len(train))[:count])
    judged = judged.of(np.arange(len(judged))[: None if split == "test" else JUDGED])
    features, others = trunk_features(model, train.images), trunk_features(model, judged.images)
    labels, wanted = (torch.from_numpy(x.labels).to(features.device) for x in (train, judged))
    found = linear_probe(features, labels, others, wanted).accuracy
    return {"probe_accuracy": found.value, "probe_accuracy_low": found.low, "probe_accuracy_high": found.high}
