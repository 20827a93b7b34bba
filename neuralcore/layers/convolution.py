"""The Nature convolution trunk, where an image has its channels, and how its numbers are scaled."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neuralcore.layers.initial import InitialWeights, set_initial
from neuralcore.layers.rectified import Apply, rectified
from neuralcore.shape import match_shape


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W) of an image (C, H, W) or (H, W, C): the channels are the axis unlike two equal ones, or the shortest.

    (4, 84, 84) and (3, 210, 160) have theirs first, (7, 7, 3) and (210, 160, 3) last; a cube's are first.
    """
    first, middle, last = shape
    channels_last = first == middle if first == middle or middle == last else last < first
    return (last, first, middle) if channels_last and middle != last else (first, middle, last)


def channels_first(observations: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """(B, *shape) as (B, C, H, W), channels-last in memory; nothing is copied if it is so already."""
    match_shape(observations, -1, *shape, name="observations")
    if image_shape(shape) != tuple(shape):
        observations = observations.permute(0, 3, 1, 2)
    return observations.contiguous(memory_format=torch.channels_last)


class Pixels(nn.Module):
    """Scales an image's numbers from [0, high] to [0, 1], and where it has a mean and a deviation of each channel, to
    (x - mean) / std.

    A `high` other than a pixel's 255 belongs to the network's state, as what was learned rests on it: networks from
    before there were others have none there, and stay at 255 wherever they are loaded. So do `mean` and `std`, which
    come with the weights of a classifier (`neuralcore.vision.carrying`).

    Attributes:
        mean, std: (C,) float32, or None.
    """

    mean: torch.Tensor | None
    std: torch.Tensor | None

    def __init__(self, high: float):
        super().__init__()
        self.high = high
        self.register_buffer("mean", None)
        self.register_buffer("std", None)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) floats in [0, high], in place where there is no mean."""
        return self.normalised(images.mul_(1 / self.high))

    def normalised(self, images: torch.Tensor) -> torch.Tensor:
        """The same of images that are in [0, 1] already."""
        if self.mean is None or self.std is None:
            return images
        return (images - self.mean[:, None, None]) * (1.0 / self.std)[:, None, None]

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        if self.high != 255.0:
            destination[f"{prefix}high"] = torch.tensor(self.high, dtype=torch.float64)
        for name in ("mean", "std"):
            if (value := getattr(self, name)) is not None:
                destination[f"{prefix}{name}"] = value

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        self.high = float(state_dict.get(f"{prefix}high", 255.0))
        for name in ("mean", "std"):
            value = state_dict.get(f"{prefix}{name}")
            setattr(self, name, None if value is None else value.detach().clone())


class NatureTrunk(nn.Module):
    """The convolutional network of "Human-level control through deep reinforcement learning" (Mnih et al. 2015).

    32 filters 8x8 stride 4, 64 filters 4x4 stride 2, 64 filters 3x3 stride 1, a fully connected layer of 512
    units, a ReLU after each. Pixels are scaled from [0, high] to [0, 1]. At 4x84x84 it has 1,684,128 parameters.

    Args:
        shape: (C, H, W) or (H, W, C) of one observation, told apart by `image_shape`; H and W at least 36.
        features: width of the output.
        high: the largest number in an image.
        initial: how the first weights are drawn, see `neuralcore.layers.initial`. generator: they come from it.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        features: int = 512,
        *,
        high: float = 255.0,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        channels, height, width = image_shape(shape)
        if height < 36 or width < 36:
            raise ValueError(f"the Nature trunk needs images of at least 36x36 pixels, got {height}x{width}")
        self.shape, self.features, self.pixels = shape, features, Pixels(high)
        convolutions = [
            nn.Conv2d(channels, 32, kernel_size=8, stride=4),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),
        ]
        self.convolutions = nn.ModuleList(convolutions)
        for kernel, stride in ((8, 4), (4, 2), (3, 1)):
            height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
        self.linear = nn.Linear(64 * height * width, features)
        layers: list[nn.Conv2d | nn.Linear] = [*convolutions, self.linear]
        for layer in layers:
            set_initial(layer, initial, generator)
        # Channels-last weights let the CPU's and the tensor cores' kernels run without transposing.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, observations: torch.Tensor, apply: Apply = rectified) -> torch.Tensor:
        """(B, *shape) of any kind of number in [0, high] -> (B, features), each layer by `apply`."""
        # Reordered while still one byte a pixel.
        x = self.pixels(channels_first(observations, self.shape).to(torch.float32, copy=True))
        for layer in self.convolutions:
            x = apply(layer, x)
        return apply(self.linear, x.flatten(1))
