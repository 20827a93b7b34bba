"""Images as a network wants them: bytes or shares, each channel shifted and scaled as the training images were."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from neuralcore.shape import match_shape


class Normalised(nn.Module):
    """(x - mean) / std of each channel, x bytes in [0, 255] or floats in [0, 1].

    Args:
        mean, std: of each channel C, as shares of 255.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).clamp_min(1e-6))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same in float32, channels last in memory."""
        match_shape(images, -1, len(self.mean), -1, -1, name="images")
        scale = 255.0 if images.dtype == torch.uint8 else 1.0
        factor, shift = 1.0 / (scale * self.std), self.mean / self.std
        x = images.to(torch.float32).contiguous(memory_format=torch.channels_last)
        return x * factor[:, None, None] - shift[:, None, None]


class ImageModel(nn.Module):
    """A network with its normalisation in front: what is fitted, saved and explained.

    Attributes:
        normalised, network: the two. trunk, head: the network's own, which the feature maps lie between.
    """

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.normalised, self.network = Normalised(mean, std), network

    @property
    def trunk(self) -> nn.Module:
        """Normalised images -> feature maps."""
        return self.network.trunk  # type: ignore[return-value]

    @property
    def head(self) -> nn.Module:
        """Feature maps -> logits."""
        return self.network.head  # type: ignore[return-value]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) bytes, or floats in [0, 1] -> what the network gives."""
        return self.network(self.normalised(images))

    def with_auxiliary(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The same, and what the network's auxiliary heads give, if it has any."""
        x = self.normalised(images)
        return self.network.with_auxiliary(x) if hasattr(self.network, "with_auxiliary") else (self.network(x), [])  # type: ignore[operator]
