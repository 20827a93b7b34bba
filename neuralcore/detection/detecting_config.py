"""What the task "detect" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.detection.detecting import Detecting


@dataclass(frozen=True)
class DetectConfig:
    """Find objects and put boxes around them."""

    data: str
    """folder of Pascal VOC, or one with its .tar.xz; or "shapes", drawn here"""
    model: str = "retina"
    """the network: retina or faster_rcnn, see docs/detection.md"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the network; in a file, a table [settings]"""
    learn: Literal["train", "trainval"] = "train"
    """the images that are learned from, lists of ImageSets/Main: train, judged by val; or both, judged by none"""
    side: int = 0
    """pixels that the longer side of each image is brought to; 0: as they are"""
    flip: Literal["none", "across", "both"] = "across"
    """training images are mirrored left to right, every second time; both: also top to bottom, as cells can be"""
    scale: float = 0.0
    """share by which training images are made larger or smaller at most"""
    colour: float = 0.0
    """share by which contrast, saturation and each colour of training images vary, up and down"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name in ("side", "scale", "colour"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.learn == "trainval" and (self.fit.patience is not None or self.fit.keep == "best"):
            raise ValueError("patience and keep = 'best' need validation images: learn = 'train'")

    def build(self, seed: int) -> Detecting:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.detection.detecting import Detecting

        return Detecting(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.detection.detecting import network

        return network(self, description)
