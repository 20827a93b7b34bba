"""MobileNetV2: Sandler et al. 2018, "Inverted residuals and linear bottlenecks" (arXiv:1801.04381), table 2."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, PooledHead, convolution, multiple_of
from neuralcore.vision.se_resnet import SqueezeExcite

# Factor of the expansion, channels, blocks, stride of the first one.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
FIRST, LAST = 32, 1280  # channels of the first and the last convolution


class InvertedResidual(nn.Module):
    """1x1 to many channels, depthwise, [squeeze and excitation,] 1x1 to few without activation; plus x if that fits.

    Args:
        before, inner, after: channels. An inner that is `before` saves the first convolution.
        kernel, stride: of the depthwise convolution. activation: of the first two.
        squeezed: width of the squeeze; None for no such.
    """

    def __init__(
        self,
        before: int,
        inner: int,
        after: int,
        kernel: int,
        stride: int,
        activation: type[nn.Module],
        squeezed: int | None = None,
    ):
        super().__init__()
        layers: list[nn.Module] = [] if inner == before else [convolution(before, inner, 1, activation=activation)]
        layers.append(convolution(inner, inner, kernel, stride, groups=inner, activation=activation))
        if squeezed is not None:
            layers.append(SqueezeExcite(inner, squeezed, nn.Hardsigmoid))
        self.body = nn.Sequential(*layers, convolution(inner, after, 1, activation=None))
        self.adds = before == after and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, before, H, W) -> (B, after, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return x + self.body(x) if self.adds else self.body(x)


class MobileNetV2(nn.Module):
    """Inverted residuals: sums are of few channels, depthwise convolutions see many; ReLU6.

    For 224x224 pixels and 1,000 classes 3,504,872 parameters and 300 M multiply-adds, as the paper's table 4.

    Up to 64 pixels the stem and the first stage of stride 2 have stride 1.

    Args:
        classes: K. channels, size: of the images.
        width: factor of all channels but the last convolution's, which it does not make less.
        dropout: before the last layer (the authors' code: 0.2).
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 224, width: float = 1.0, dropout: float = 0.2):
        super().__init__()
        small = size <= SMALL
        before = multiple_of(FIRST * width)
        layers: list[nn.Module] = [convolution(channels, before, 3, 1 if small else 2, activation=nn.ReLU6)]
        for number, (factor, full, count, stride) in enumerate(STAGES):
            after = multiple_of(full * width)
            for index in range(count):
                by = 1 if index or (small and number == 1) else stride
                layers.append(InvertedResidual(before, factor * before, after, 3, by, nn.ReLU6))
                before = after
        last = multiple_of(LAST * max(1.0, width))
        self.trunk = nn.Sequential(*layers, convolution(before, last, 1, activation=nn.ReLU6))
        he_normal(self.trunk)
        self.head = PooledHead(last, classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
