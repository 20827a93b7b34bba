"""What the task "classify" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.vision.classification import Classification


@dataclass(frozen=True)
class ClassifyConfig:
    """Tell what an image shows."""

    data: str
    """folder of images: idx files, or train/<class>/<image> (also train.tar.xz); or "shapes", drawn here"""
    model: str = "resnet"
    """the network, see docs/vision.md"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the network; in a file, a table [settings]"""
    valid: float = 0.1
    """share of the training images that are held out to judge by; 0: none, and the test images are judged by alone"""
    examples: int | None = None
    """of the training images, how many are learned from, drawn by the seed; None: all"""
    start: str = ""
    """run folder of a fitted classifier whose weights it begins with, where names and shapes agree (transfer)"""
    loss: Literal["cross_entropy", "hinge"] = "cross_entropy"
    """hinge: the multi-class support vector machine of Weston & Watkins (1999)"""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: in inverse proportion to how common a class is"""
    smoothing: float = 0.0
    """label smoothing (Szegedy et al. 2016), of cross_entropy"""
    focus: float = 0.0
    """γ of the focal loss (Lin et al. 2017), of cross_entropy"""
    shift: int = 0
    """pixels by which training images are moved at most, along either axis"""
    flip: bool = False
    """training images are mirrored, every second time"""
    cutout: int = 0
    """side of the square that is cut out of training images, in pixels (DeVries & Taylor 2017)"""
    mixup: float = 0.0
    """α of mixup (Zhang et al. 2018); 0: none"""
    cutmix: float = 0.0
    """α of CutMix (Yun et al. 2019); 0: none. With both, each batch has one of them"""
    both_sides: bool = False
    """images are judged together with their mirror images, by the mean of the two logits"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if not 0.0 <= self.valid < 1.0:
            raise ValueError(f"valid must be from 0 to below 1, got {self.valid}")
        if not 0.0 <= self.smoothing < 1.0:
            raise ValueError(f"smoothing must be from 0 to below 1, got {self.smoothing}")
        for name in ("focus", "shift", "cutout", "mixup", "cutmix"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.examples is not None and self.examples < 1:
            raise ValueError(f"examples must be 1 or more, or None, got {self.examples}")
        if self.loss == "hinge" and (self.smoothing or self.focus or self.mixup or self.cutmix):
            raise ValueError("smoothing, focus, mixup and cutmix are of cross_entropy, not of hinge")
        if not self.valid and (self.fit.patience is not None or self.fit.keep == "best"):
            raise ValueError("patience and keep = 'best' need validation images: valid above 0")

    def build(self, seed: int) -> Classification:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.vision.classification import Classification

        return Classification(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.vision.classification import network

        return network(self, description)
