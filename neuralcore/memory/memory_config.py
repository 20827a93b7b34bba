"""What the task "memory" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.memory.memory_task import MemoryTask


@dataclass(frozen=True)
class MemoryConfig:
    """Answer questions about a story by what its sentences say together."""

    data: Literal["one_hop", "two_hop"] = "two_hop"
    """stories drawn here, see docs/memory.md, and what is asked for: a person, or a thing that people carry"""
    stories: int = 10_000
    """to learn from; 1,000 others to judge by, and 2,000 for the test"""
    sentences: int = 12
    """of the longest story; the shortest has half as many"""
    width: int = 32
    """D, numbers of a vector (the paper's 20)"""
    hops: int = 3
    """K, readings of the story (the paper's 3)"""
    tying: Literal["adjacent", "layerwise"] = "adjacent"
    """of the hops' weights, see `neuralcore.memory.memory_network`"""
    position: bool = True
    """sentences by position encoding; else they are bags of words"""
    linear_epochs: float = 0.0
    """epochs of linear start, in which attention has no softmax (the paper: until validation loss no longer falls)"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name, least in (("stories", 1), ("sentences", 4), ("width", 1), ("hops", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if not self.linear_epochs >= 0.0:
            raise ValueError(f"linear_epochs must be 0 or more, got {self.linear_epochs}")
        if self.linear_epochs >= self.fit.epochs:
            raise ValueError(f"linear_epochs {self.linear_epochs} leave no epoch of {self.fit.epochs} with a softmax")

    def build(self, seed: int) -> MemoryTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.memory.memory_task import MemoryTask

        return MemoryTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.memory.memory_network import MemoryNetwork

        return MemoryNetwork(
            len(description["words"]),
            self.sentences,
            description["length"],
            width=self.width,
            hops=self.hops,
            tying=self.tying,
            position=self.position,
            linear_for=round(self.linear_epochs * self.stories),
        )
