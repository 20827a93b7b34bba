"""What the task "segment" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.segmentation.segmenting import Segmenting


@dataclass(frozen=True)
class SegmentConfig:
    """Say of every pixel what it belongs to."""

    data: str
    """.npz of `image` and `mask`, or a folder with one; or "shapes", drawn here"""
    model: str = "unet"
    """the network: fcn, segnet or unet, see docs/segmentation.md"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the network; in a file, a table [settings]"""
    valid: int = 3
    """images before the test images that are held out to judge by"""
    test: int = 3
    """images at the end that are held out for testing"""
    neighbours: int = 0
    """images before and after one that are seen with it: of a volume's slices, in their order"""
    tile: int = 256
    """pixels a side of what is learned from, and of the tiles of a prediction"""
    tiles: int = 4
    """tiles that are cut from each training image in an epoch"""
    overlap: int = 64
    """pixels that the tiles of a prediction share"""
    views: Literal[1, 4, 8] = 1
    """turns of an image whose predictions are averaged; 8: by quarters, and mirrored"""
    judged: str = ""
    """class that "dice" and "iou" are of; empty: their mean over classes"""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: of the cross-entropy, in inverse proportion to how common a class is"""
    dice: float = 1.0
    """weight of 1 - soft Dice, the mean over classes, beside the cross-entropy"""
    turn: bool = True
    """training tiles are turned by quarters and mirrored"""
    elastic: float = 0.0
    """pixels by which training tiles are deformed, the deviation along an axis (Ronneberger et al. 2015 have 10)"""
    relight: float = 0.0
    """share by which contrast and brightness of training tiles vary, up and down"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name in ("valid", "test", "neighbours", "overlap", "dice", "elastic", "relight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("tile", "tiles"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.overlap >= self.tile:
            raise ValueError(f"overlap must be below the tile's {self.tile} pixels, got {self.overlap}")
        if not self.valid and (self.fit.patience is not None or self.fit.keep == "best"):
            raise ValueError("patience and keep = 'best' need validation images: valid above 0")

    def build(self, seed: int) -> Segmenting:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.segmentation.segmenting import Segmenting

        return Segmenting(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.segmentation.segmenting import network

        return network(self, description)
