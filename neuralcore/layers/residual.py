"""The residual convolution trunk of IMPALA."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.convolution import Pixels, channels_first, image_shape
from neuralcore.layers.initial import InitialWeights, set_initial
from neuralcore.layers.rectified import Apply, rectified

CHANNELS = (16, 32, 32)  # of the three stages


class ImpalaTrunk(nn.Module):
    """The large network of "IMPALA: scalable distributed deep-RL" (Espeholt et al. 2018, figure 3), without its LSTM.

    Three stages of 16, 32 and 32 channels: a 3x3 convolution, a 3x3 max pooling of stride 2, two residual blocks
    x + convolution(relu(convolution(relu(x)))). Then a ReLU, and fully connected layers with a ReLU after each. All
    is padded, so a stage halves height and width, rounded up, and no image is too small. At 4x84x84 with one layer of
    256 it has 1,089,232 parameters.

    Whole numbers are scaled from [0, high] to [0, 1], as pixels are; booleans and floats are taken to be so already.

    Args:
        shape: (C, H, W) or (H, W, C) of one observation, told apart by `image_shape`.
        hidden: widths of the fully connected layers; empty gives the last stage's pixels themselves.
        high: the largest whole number in an image.
        initial: how the first weights are drawn, see `neuralcore.layers.initial`. generator: they come from it.

    Attributes:
        features: width of the output.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        hidden: Sequence[int] = (256,),
        *,
        high: float = 255.0,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.shape, self.pixels = shape, Pixels(high)
        channels, height, width = image_shape(shape)
        stages: list[list[nn.Conv2d]] = []
        for before, after in itertools.pairwise((channels, *CHANNELS)):
            first = nn.Conv2d(before, after, kernel_size=3, padding=1)
            blocks = [nn.Conv2d(after, after, kernel_size=3, padding=1) for _ in range(4)]
            stages.append([first, *blocks])
            height, width = (height + 1) // 2, (width + 1) // 2
        self.stages = nn.ModuleList(nn.ModuleList(stage) for stage in stages)
        widths = [CHANNELS[-1] * height * width, *hidden]
        self.features = widths[-1]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(widths)])
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                set_initial(layer, initial, generator)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, observations: torch.Tensor, apply: Apply = rectified) -> torch.Tensor:
        """(B, *shape) -> (B, features); the fully connected layers by `apply`, as only they have a ReLU at once."""
        is_pixels = not (observations.is_floating_point() or observations.dtype == torch.bool)
        x = channels_first(observations, self.shape).to(torch.float32)
        x = self.pixels(x) if is_pixels else self.pixels.normalised(x)
        for stage in self.stages:
            first, *blocks = stage.children()
            x = F.max_pool2d(first(x), kernel_size=3, stride=2, padding=1)
            for one, two in (blocks[:2], blocks[2:]):
                x = x + two(torch.relu_(one(torch.relu(x))))
        x = torch.relu(x).flatten(1)
        for layer in self.layers:
            x = apply(layer, x)
        return x
