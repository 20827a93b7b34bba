"""What every task on a set of images is told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field

from neuralcore.fitting.config import FitConfig


@dataclass(frozen=True)
class ImageTaskConfig:
    """Learn from images."""

    data: str
    """folder of images: idx files, or train/<class>/<image> (also train.tar.xz); or "shapes", drawn here"""
    valid: float = 0.1
    """share of the training images that are held out to judge by; 0: none, and the test images are judged by alone"""
    examples: int | None = None
    """of the training images, how many are learned from, drawn by the seed; None: all"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if not 0.0 <= self.valid < 1.0:
            raise ValueError(f"valid must be from 0 to below 1, got {self.valid}")
        if self.examples is not None and self.examples < 1:
            raise ValueError(f"examples must be 1 or more, or None, got {self.examples}")
        if not self.valid and (self.fit.patience is not None or self.fit.keep == "best"):
            raise ValueError("patience and keep = 'best' need validation images: valid above 0")
        for name in self.positive():
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    def positive(self) -> tuple[str, ...]:
        """Names of the fields that must be above 0."""
        return ()
