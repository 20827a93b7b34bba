"""What the task "transcribe" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.speech.transcribing import Transcribing


@dataclass(frozen=True)
class TranscribeConfig:
    """Write down the symbols that are spoken."""

    data: Literal["spoken"] = "spoken"
    """drawn here"""
    model: Literal["ctc", "transducer"] = "ctc"
    """ctc: a distribution a frame (Graves et al. 2006); transducer: one that knows what was written (Graves 2012)"""
    width: int = 64
    """W, of each direction of the LSTM"""
    layers: int = 1
    """of the LSTM"""
    dropout: float = 0.0
    """between its layers"""
    beam: int = 1
    """prefixes that ctc keeps when it is judged by test examples; 1: the likeliest path"""
    kinds: int = 12
    """symbols there are"""
    longest: int = 10
    """symbols of an example at most"""
    noise: float = 1.0
    """standard deviation of what is added to each band; those of symbols have deviation 1"""
    examples: int = 4_000
    """to learn from"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name in ("width", "layers", "beam", "kinds", "longest", "examples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.noise >= 0.0:
            raise ValueError(f"noise must be 0 or more, got {self.noise}")
        if self.model == "transducer" and self.beam != 1:
            raise ValueError(f"beam {self.beam} is of ctc: a transducer is decoded greedily")

    def build(self, seed: int) -> Transcribing:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.speech.transcribing import Transcribing

        return Transcribing(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.speech.models import MODELS

        return MODELS[self.model](
            description["bands"], description["kinds"], self.width, self.layers, dropout=self.dropout
        )
