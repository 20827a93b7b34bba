"""What the loop needs to know of a task: its network, its batches, its loss and its figures.

A task is an object with these members; nothing is inherited. What it draws comes from the generators it is given, so
that a step depends on the seed and its number alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

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
    """

    model: nn.Module
    score: str
    lower: bool

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


def players_of(model: nn.Module, loss: Loss) -> list[Player]:
    """The one player of a task whose weights all lower one loss."""
    return [Player("model", dict(model.named_parameters()), loss)]
