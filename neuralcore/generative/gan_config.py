"""What the task "gan" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neuralcore.fitting.config import FitConfig
from neuralcore.fitting.image_task import ImageTaskConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.generative.gan import AdversarialTask


@dataclass(frozen=True)
class GANConfig(ImageTaskConfig):
    """Make images that a critic takes for real ones."""

    latent: int = 100
    """length of the noise that an image is made from"""
    width: int = 64
    """channels of the critic's first convolution and of the generator's last; each next has twice as many"""
    smoothing: float = 0.0
    """real images count as real by 1 minus this (Salimans et al. 2016, one-sided label smoothing)"""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(optimiser="adam", learning_rate=2e-4, betas=(0.5, 0.999))
    )
    """Radford et al. 2016, section 4: Adam, 2e-4, β₁ 0.5"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.smoothing < 1.0:
            raise ValueError(f"smoothing must be from 0 to below 1, got {self.smoothing}")
        if self.fit.keep == "best" or self.fit.patience is not None:
            raise ValueError("a critic's figures do not say which images are best: keep = 'last', and no patience")
        if self.fit.optimiser == "lbfgs":
            raise ValueError("lbfgs takes all images at once, which a critic cannot")

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("latent", "width")

    def build(self, seed: int) -> AdversarialTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.generative.gan import AdversarialTask

        return AdversarialTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.generative.gan import network

        return network(self, description)
