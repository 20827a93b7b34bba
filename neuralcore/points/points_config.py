"""What the tasks "points" and "points_autoencode" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.points.points_task import AutoencodePoints, ClassifyPoints


@dataclass(frozen=True)
class PointsConfig:
    """Tell which solid a cloud of points is."""

    data: Literal["solids"] = "solids"
    """drawn here"""
    points: int = 256
    """P, of each cloud"""
    transforms: bool = True
    """PointNet's T-Nets"""
    width: float = 1.0
    """factor of its layers' widths"""
    dropout: float = 0.3
    """before the last layer"""
    orthogonal: float = 1e-3
    """weight of the loss that keeps the transform of features orthogonal; the paper's 0.001"""
    jitter: float = 0.0
    """standard deviation of what is added to training points; the paper's 0.02"""
    valid: float = 0.1
    """share of the training clouds that are held out to judge by; 0: none"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        _check(self.points, self.valid, self.fit)
        for name in ("orthogonal", "jitter"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if not self.width > 0.0 or not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"width must be above 0, dropout from 0 to below 1: {self.width}, {self.dropout}")

    def build(self, seed: int) -> ClassifyPoints:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.points.points_task import ClassifyPoints

        return ClassifyPoints(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.points.pointnet import PointNet

        classes = len(description["names"])
        return PointNet(classes, transforms=self.transforms, width=self.width, dropout=self.dropout)


@dataclass(frozen=True)
class PointsAutoencodeConfig:
    """Clouds of points through a short code and back."""

    data: Literal["solids"] = "solids"
    """drawn here"""
    points: int = 256
    """P, of each cloud"""
    code: int = 64
    """length of the code"""
    hidden: int = 256
    """width of the decoder's layers"""
    valid: float = 0.1
    """share of the training clouds that are held out to judge by; 0: none"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        _check(self.points, self.valid, self.fit)
        if self.code < 1 or self.hidden < 1:
            raise ValueError(f"code and hidden must be 1 or more, got {self.code} and {self.hidden}")

    def build(self, seed: int) -> AutoencodePoints:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.points.points_task import AutoencodePoints

        return AutoencodePoints(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.points.autoencoder import PointAutoencoder

        return PointAutoencoder(description["points"], code=self.code, hidden=self.hidden)


def _check(points: int, valid: float, fit: FitConfig) -> None:
    if points < 1:
        raise ValueError(f"points must be 1 or more, got {points}")
    if not 0.0 <= valid < 1.0:
        raise ValueError(f"valid must be from 0 to below 1, got {valid}")
    if not valid and (fit.patience is not None or fit.keep == "best"):
        raise ValueError("patience and keep = 'best' need validation clouds: valid above 0")
