"""What the task "pixelcnn" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuralcore.fitting.image_task import ImageTaskConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.generative.pixel_task import PixelTask


@dataclass(frozen=True)
class PixelCNNConfig(ImageTaskConfig):
    """Make images number by number, each given those before; how likely an image is, is known exactly."""

    levels: int = 256
    """of a number; fewer make images coarser, and bits are of those"""
    width: int = 32
    """features of each of the two stacks"""
    layers: int = 5
    """gated ones"""
    reach: int = 1
    """pixels that a layer's kernel sees to either side"""
    by_class: bool = True
    """whether the class of an image is given, so that images can be made of one"""

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("width", "layers", "reach")

    def build(self, seed: int) -> PixelTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.generative.pixel_task import PixelTask

        return PixelTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.generative.pixel_task import network

        return network(self, description)
