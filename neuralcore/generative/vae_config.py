"""What the task "vae" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.image_task import ImageTaskConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.generative.vae import VariationalTask


@dataclass(frozen=True)
class VAEConfig(ImageTaskConfig):
    """Make images from Gaussian codes, and find the codes of images."""

    latent: int = 32
    """length of the code"""
    width: int = 32
    """channels of the first convolution; each next has twice as many"""
    decoder: Literal["bernoulli", "gaussian"] = "bernoulli"
    """what a pixel is, given its code: a share of white by its cross entropy, or Gaussian with one learned width for
    all, which bounds the bits of an image"""
    beta: float = 1.0
    """weight of the divergence between codes and the standard Gaussian; above 1, codes say less (Higgins et
    al. 2017)"""

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("latent", "width", "beta")

    def build(self, seed: int) -> VariationalTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.generative.vae import VariationalTask

        return VariationalTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.generative.vae import network

        return network(self, description)
