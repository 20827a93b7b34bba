"""What the tasks "prototypical" and "maml" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.image_task import ImageTaskConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.pretraining.maml import MetaTask
    from neuralcore.pretraining.prototypical import PrototypicalTask


@dataclass(frozen=True)
class EpisodesConfig(ImageTaskConfig):
    """Tell classes apart that were never seen, from few examples of each."""

    held_out: int = 4
    """classes that are not learned from, drawn by the seed; test figures are of them"""
    ways: int = 4
    """classes of an episode"""
    shots: int = 1
    """labelled examples of each"""
    queries: int = 15
    """examples of each that are told, and judged by"""
    episodes: int = 2_000
    """of an epoch; the batch size counts episodes"""
    judged: int = 1_000
    """episodes of a figure"""
    width: int = 64
    """channels of the four convolutions"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.held_out < self.ways:
            raise ValueError(f"{self.held_out} held out classes are too few for episodes of {self.ways} ways")
        if self.ways < 2:
            raise ValueError(f"ways must be 2 or more, got {self.ways}")

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("shots", "queries", "episodes", "judged", "width")


@dataclass(frozen=True)
class PrototypicalConfig(EpisodesConfig):
    """Tell unseen classes by the nearest mean of few examples, in features learned for that."""

    def build(self, seed: int) -> PrototypicalTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.pretraining.prototypical import PrototypicalTask

        return PrototypicalTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.pretraining.prototypical import network

        return network(self, description)


@dataclass(frozen=True)
class MAMLConfig(EpisodesConfig):
    """Learn weights from which few steps on few examples tell unseen classes."""

    steps: int = 3
    """gradient steps on an episode's labelled examples"""
    rate: float = 0.1
    """their learning rate"""
    order: Literal["second", "first"] = "second"
    """first: the steps' own derivative is taken for the identity, a third less to compute"""

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return (*super().positive(), "steps", "rate")

    def build(self, seed: int) -> MetaTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.pretraining.maml import MetaTask

        return MetaTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.pretraining.maml import network

        return network(self, description)
