"""What the task "autoencode" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.image_task import ImageTaskConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.generative.autoencoder import Autoencoding


@dataclass(frozen=True)
class AutoencoderConfig(ImageTaskConfig):
    """Bring images through a short code and back."""

    latent: int = 32
    """length of the code"""
    width: int = 32
    """channels of the first convolution; each next has twice as many"""
    noise: Literal["none", "mask", "gaussian"] = "none"
    """what is done to the images that are restored: mask sets pixels to 0 (Vincent et al. 2008), gaussian adds to
    them; the loss is to the clean image"""
    amount: float = 0.25
    """chance of a pixel to be masked, or the standard deviation, as a share of white"""

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("latent", "width", "amount")

    def build(self, seed: int) -> Autoencoding:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.generative.autoencoder import Autoencoding

        return Autoencoding(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.generative.autoencoder import network

        return network(self, description)
