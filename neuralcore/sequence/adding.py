"""The task "adding": what can be remembered over T steps (Hochreiter & Schmidhuber 1997, section 5.4).

A step shows a number, uniform in [0, 1], and whether it is marked; two are, anywhere. The answer, after the last
step, is their sum. Who says 1 always is off by 1/6 in the mean square. So have it Le et al. (2015, section 4.1);
numbers of both signs, marks at the ends and the scaled answer of 1997 are left out.

Axes: B examples, T steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neuralcore.fitting.image_splits import device_of
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.seeding import derived_seed, seeded_torch
from neuralcore.sequence.adding_config import AddingConfig
from neuralcore.sequence.gradient_picture import gradient_norms, gradient_picture
from neuralcore.sequence.recurrent import GATES, make_recurrent

JUDGED = {"valid": 1_000, "test": 10_000}
AT_ONCE = 500  # examples of a batch that is only looked at
PICTURED = 100  # examples of the picture of gradients
LONGER = 1.1  # factor of the weights from step to step, to show what explodes
NEAR = 0.1  # how far off an answer may be to count as near

Batch = tuple[torch.Tensor, torch.Tensor]  # sequences (B, T, 2), answers (B,)


def sequences(count: int, length: int, generator: torch.Generator) -> Batch:
    """Draw B sequences and their answers, float32.

    >>> x, wanted = sequences(4, 100, torch.Generator().manual_seed(0))
    >>> x.shape, wanted.shape
    (torch.Size([4, 100, 2]), torch.Size([4]))
    """
    numbers = torch.rand(count, length, generator=generator)
    marked = torch.rand(count, length, generator=generator).topk(2, dim=1).indices
    marks = torch.zeros(count, length).scatter_(1, marked, 1.0)
    return torch.stack([numbers, marks], 2), (numbers * marks).sum(1)


class Adder(nn.Module):
    """Recurrent layers, and one number of what they remember after the last step.

    Args:
        name, width, layers: see `Recurrent`.
    """

    def __init__(self, name: str, width: int, layers: int = 1):
        super().__init__()
        self.core = make_recurrent(name, 2, width, layers)
        self.head = nn.Linear(width, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(B, T, 2) -> (B,)."""
        outputs, _ = self.core(inputs)
        return self.head(outputs[:, -1]).squeeze(1)


class Adding:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "mse", True

    def __init__(self, config: AddingConfig, seed: int = 0):
        self.config, self.seed = config, seed
        self.description: dict[str, Any] = {}
        self.splits = {name: self._drawn(count, name) for name, count in JUDGED.items()}
        self.model = self._first(config.model)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """As many rows as an epoch has; which they are makes no difference."""
        return np.arange(self.config.examples)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Batch:
        """So many sequences, drawn now."""
        inputs, wanted = sequences(len(rows), self.config.length, generator)
        return inputs.to(device), wanted.to(device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean square of what answers are off by."""
        inputs, wanted = batch
        dtype = self.model.head.weight.dtype
        return (self.model(inputs.to(dtype)).float() - wanted).square().mean(), {}

    @torch.no_grad()
    def evaluate(self, split: str) -> dict[str, float]:
        """The mean square error, and the share of answers off by less than 0.1."""
        inputs, wanted = self.splits[split]
        device, dtype = device_of(self.model), self.model.head.weight.dtype
        told = [self.model(some.to(device, dtype)).double().cpu() for some in inputs.split(AT_ONCE)]
        off = (torch.cat(told) - wanted.double()).abs()
        return {"mse": float(off.square().mean()), "near": float((off < NEAR).double().mean())}

    def draw(self, folder: Path) -> None:
        """How much each step's state moves the loss: all kinds of layers at first, and this one then and now."""
        some = tuple(part[:PICTURED] for part in self.splits["test"])
        at_first = {name: self._norms(self._first(name), some) for name in GATES}
        longer = self._first("irnn")
        with torch.no_grad():
            longer.core.unrolled.weight_hh_l0.mul_(LONGER)
        at_first[f"irnn, U x {LONGER}"] = self._norms(longer, some)
        now = {"at first": at_first[self.config.model], "fitted": self._norms(self.model, some)}
        gradient_picture({"first weights": at_first, self.config.model: now}, folder / "gradients.png")

    def _norms(self, model: Adder, some: tuple[torch.Tensor, ...]) -> np.ndarray:
        inputs, wanted = (part.to(device_of(model)) for part in some)
        return gradient_norms(
            model.core, inputs, lambda outputs: (model.head(outputs[:, -1]).squeeze(1) - wanted).square().sum()
        )

    def _first(self, name: str) -> Adder:
        with seeded_torch(self.seed, "weights"):
            return Adder(name, self.config.width, self.config.layers)

    def _drawn(self, count: int, name: str) -> Batch:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "adding", name))
        return sequences(count, self.config.length, generator)
