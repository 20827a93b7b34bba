"""What the task "clips" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.clips.clips_task import ClipsTask


@dataclass(frozen=True)
class ClipsConfig:
    """Tell what a clip shows, as a motion."""

    data: str = "moving"
    """folder of train/<class>/<clip>/<frame>; or "moving", drawn here"""
    model: str = "c3d"
    """c3d, inflated or recurrent, see docs/clips_points.md"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the network; in a file, a table [settings]"""
    frames: int = 8
    """T, of each clip"""
    valid: float = 0.1
    """share of the training clips that are held out to judge by; 0: none"""
    shuffle: bool = False
    """frames of every clip in an order drawn anew each time, in training and when judged: what is told then is told
    without the order of time"""
    start: str = ""
    """run folder of a fitted classifier ("classify") whose trunk an inflated or recurrent network begins with"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"frames must be 2 or more, got {self.frames}")
        if not 0.0 <= self.valid < 1.0:
            raise ValueError(f"valid must be from 0 to below 1, got {self.valid}")
        if not self.valid and (self.fit.patience is not None or self.fit.keep == "best"):
            raise ValueError("patience and keep = 'best' need validation clips: valid above 0")

    def build(self, seed: int) -> ClipsTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.clips.clips_task import ClipsTask

        return ClipsTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.clips.clips_task import network

        return network(self, description)
