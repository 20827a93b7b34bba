"""The task "clips": clips in, which class each is of out.

Axes: N clips of T frames, C x H x W each, B of them in a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.clips import MODELS
from neuralcore.clips.clips_config import ClipsConfig
from neuralcore.clips.inflated import inflated_weight
from neuralcore.data.clips import read_clips
from neuralcore.data.examples import split
from neuralcore.data.images import mean_and_std
from neuralcore.errors import UserError
from neuralcore.fitting.metrics import classification, confusion
from neuralcore.fitting.pictures import confusion_picture, images_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.seeding import seeded_torch
from neuralcore.vision import make_model, settings_of
from neuralcore.vision.normalised import Normalised

AT_ONCE = 128  # clips of a batch that is only looked at

Batch = tuple[torch.Tensor, torch.Tensor]  # clips (B, T, C, H, W) uint8, labels (B,)


class ClipModel(nn.Module):
    """A network behind the normalisation of its frames."""

    def __init__(self, network: nn.Module, mean: list[float], std: list[float]):
        super().__init__()
        self.normalised, self.network = Normalised(mean, std), network

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, T, C, H, W) uint8 -> (B, K)."""
        frames = self.normalised(clips.flatten(0, 1))
        return self.network(frames.unflatten(0, clips.shape[:2]))


def network(config: ClipsConfig, description: dict[str, Any]) -> ClipModel:
    """The network for clips like those that are described, with its normalisation."""
    frames, channels, height, width = description["shape"]
    if height != width:
        raise UserError(f"frames of {height}x{width} pixels: the networks here take square ones")
    if "frames" in config.settings:
        raise UserError("settings: frames is a key of the task, not of the network")
    timed = {"frames": frames} if "frames" in settings_of(config.model, MODELS) else {}
    settings = {**config.settings, **timed}
    model = make_model(config.model, len(description["names"]), channels, height, settings, MODELS)
    return ClipModel(model, description["mean"], description["std"])


class ClipsTask:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "accuracy", False

    def __init__(self, config: ClipsConfig, seed: int = 0):
        self.config = config
        self.splits = split(read_clips(config.data, config.frames), config.valid, seed)
        train = self.splits["train"]
        mean, std = mean_and_std(train.values.reshape(-1, *train.values.shape[2:]))
        shape = list(train.values.shape[1:])
        self.description: dict[str, Any] = {"names": list(train.names), "shape": shape, "mean": mean, "std": std}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        if config.start:
            from neuralcore.fitting.saved import load_model

            self.taken = take_trunk(self.model, load_model(config.start).model.state_dict(), config.start)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training clips, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Batch:
        """Those clips."""
        train = self.splits["train"]
        clips = torch.from_numpy(train.values[rows])
        if self.config.shuffle:
            clips = shuffled(clips, generator)
        return clips.to(device), torch.from_numpy(train.labels[rows]).to(device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Cross entropy, and the share that is told right."""
        clips, labels = batch
        logits = self.model(clips).float()
        return F.cross_entropy(logits, labels), {"accuracy": (logits.detach().argmax(1) == labels).float().mean()}

    @torch.no_grad()
    def logits(self, name: str) -> np.ndarray:
        """(N, K) float32 of a split, in its order."""
        device = next(self.model.parameters()).device
        generator = torch.Generator().manual_seed(0)
        found = []
        for some in torch.from_numpy(self.splits[name].values).split(AT_ONCE):
            clips = shuffled(some, generator) if self.config.shuffle else some
            found.append(self.model(clips.to(device)).float().cpu().numpy())
        return np.concatenate(found)

    def evaluate(self, split: str) -> dict[str, float]:
        """Accuracy with its interval, log loss and calibration error."""
        if split not in self.splits:
            return {}
        return classification(self.logits(split), self.splits[split].labels)

    def draw(self, folder: Path) -> None:
        """Confusion, and every second frame of the clips that were told worst, a clip a row."""
        name = next((name for name in ("test", "valid") if name in self.splits), "train")
        clips, logits = self.splits[name], self.logits(name).astype(np.float64)
        matrix = confusion(clips.labels, logits.argmax(1), len(clips.names))
        confusion_picture(matrix, clips.names, folder / "confusion.png")
        worst = np.argsort(logits[np.arange(len(clips)), clips.labels] - logits.max(1), kind="stable")[:6]
        shown = clips.values[worst, ::2]
        titles = []
        for row in worst:
            told = f"{clips.names[clips.labels[row]]}, taken for\n{clips.names[logits[row].argmax()]}"
            titles += [told] + [""] * (shown.shape[1] - 1)
        images_picture(shown.reshape(-1, *shown.shape[2:]), titles, folder / "worst.png", columns=shown.shape[1])


def shuffled(clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each clip's frames in an order of its own."""
    order = torch.rand(clips.shape[:2], generator=generator).argsort(1)
    return clips[torch.arange(len(clips))[:, None], order]


def take_trunk(model: ClipModel, state: Mapping[str, torch.Tensor], run: str) -> list[str]:
    """Take a classifier's trunk, inflated where this one has kernels in time; the names that were taken.

    Raises:
        UserError: a weight of the trunk is missing there or of another shape.
    """
    mine = {name: value for name, value in model.state_dict().items() if name.startswith("network.trunk.")}
    for name, value in mine.items():
        theirs = state.get(name)
        if theirs is not None and theirs.ndim == 4 and value.ndim == 5:
            theirs = inflated_weight(theirs, value.shape[2])
        if theirs is None or theirs.shape != value.shape:
            raise UserError(
                f"start: the trunk of {run} does not fit at {name}: give both the same family and settings"
            )
        value.copy_(theirs)
    return list(mine)
