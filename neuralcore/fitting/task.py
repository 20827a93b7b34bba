"""What the loop needs to know of a task: its network, its batches, its loss and its figures.

A task is an object with these members; nothing is inherited. What it draws comes from the generators it is given, so
that a step depends on the seed and its number alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from neuralcore.fitting.config import FitConfig

Figures = Mapping[str, "float | torch.Tensor"]
Loss = Callable[[Any, torch.Generator], "tuple[torch.Tensor, Figures]"]


class Player(NamedTuple):
    """Weights that step together, and the loss that they lower.

    Attributes:
        name: in metrics, where there are several.
        parameters: name -> weights, as `named_parameters` gives them.
        loss: (batch, generator) -> the scalar to differentiate, and figures to show (scalars; tensors without
            gradient).
    """

    name: str
    parameters: Mapping[str, nn.Parameter]
    loss: Loss


class Task(Protocol):
    """A network, the data it learns from, and how well it does.

    Attributes:
        model: all weights and buffers: what is saved, moved to a device and averaged.
        score: the figure of `evaluate` that early stopping and the best weights go by.
        lower: whether less of it is better.
        description: plain values with which the config's `rebuild` makes the model again.

    What a step leaves to the next besides weights, as a recurrent network's state over a text, is an attribute
    `carried`, name -> tensor: checkpoints keep it. A loss that cannot fall to nearly 0 has a `by_heart`, see
    `neuralcore.fitting.check.overfit`. Most tasks have neither.
    """

    model: nn.Module
    score: str
    lower: bool
    description: dict[str, Any]

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """(N,) int64: the rows of an epoch's training examples, in their order."""
        ...

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Any:
        """Those examples, varied as training varies them, on the device."""
        ...

    def players(self) -> list[Player]:
        """One for most tasks. Several step in turn, each on every batch, as a generator and its critic do."""
        ...

    def evaluate(self, split: str) -> dict[str, float]:
        """Figures of "valid" or "test"; empty if there are no such examples.

        The model is in evaluation mode, on the device it was fitted on; no gradients are kept.
        """
        ...

    def draw(self, folder: Path) -> None:
        """Pictures of what it does in the end, into the run's folder; called without gradients, as `evaluate` is."""
        ...


class TaskConfig(Protocol):
    """A frozen dataclass, in a file without torch, that says what a task is; its fields are flags and keys.

    Attributes:
        data: where the examples are. fit: how the loop goes.
    """

    data: str
    fit: FitConfig

    def build(self, seed: int) -> Task:
        """The task, its data read and its model with first weights.

        Raises:
            UserError: the data cannot be read, or do not suit the model.
        """
        ...

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a task of this config, with any weights."""
        ...


def players_of(model: nn.Module, loss: Loss) -> list[Player]:
    """The one player of a task whose weights all lower one loss."""
    return [Player("model", dict(model.named_parameters()), loss)]
