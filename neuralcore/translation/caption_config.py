"""What the task "caption" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.translation.captioning import Captioning


@dataclass(frozen=True)
class CaptionConfig:
    """Say what images show."""

    data: str = "shapes"
    """ "shapes": one or two drawn shapes, their colours and how they lie; or a folder of pictures with captions.tsv,
    a picture and a caption a line, with a tab between"""
    examples: int = 4000
    """training images; of a folder, at most"""
    held: int = 500
    """images to judge by, and as many for the test"""
    unit: Literal["words", "terms"] = "words"
    """words: what lies between white space; terms: words in lower case without signs and digits"""
    least: int = 1
    """times that a word must occur to be known"""
    longest: int = 24
    """words that a caption may have"""
    size: int = 32
    """pixels of a side"""
    model: str = "resnet"
    """network whose trunk sees, see docs/vision.md"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of that network; in a file, a table [settings]"""
    trunk_from: str = ""
    """run folder of a fitted classifier whose trunk it begins with"""
    width: int = 128
    """numbers of a word and of the decoder's state"""
    dropout: float = 0.1
    """share of what words are made of"""
    beam: int = 3
    """hypotheses of the search with which test images are described"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name in ("examples", "held", "least", "longest", "width", "beam"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.size < 16:
            raise ValueError(f"size must be 16 or more, got {self.size}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")

    def build(self, seed: int) -> Captioning:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.translation.captioning import Captioning

        return Captioning(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.translation.captioning import network

        return network(self, description)
