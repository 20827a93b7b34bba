"""What the task "adding" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.sequence.adding import Adding


@dataclass(frozen=True)
class AddingConfig:
    """Add two numbers of a long sequence, those that are marked."""

    data: Literal["adding"] = "adding"
    """drawn here"""
    length: int = 100
    """T, steps of a sequence"""
    model: Literal["rnn", "irnn", "lstm", "gru"] = "lstm"
    """the recurrent layers, see docs/recurrent.md"""
    width: int = 100
    """W, of their state; the paper's 100 (Le et al. 2015)"""
    layers: int = 1
    """of them"""
    examples: int = 10_000
    """of an epoch; each is drawn when it is needed, and none comes again"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if self.length < 2:
            raise ValueError(f"length must be 2 or more, as two numbers are added, got {self.length}")
        for name in ("width", "layers", "examples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")

    def build(self, seed: int) -> Adding:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.sequence.adding import Adding

        return Adding(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network, with any weights."""
        from neuralcore.sequence.adding import Adder

        return Adder(self.model, self.width, self.layers)
