"""Xception: Chollet 2017, "Deep learning with depthwise separable convolutions" (arXiv:1610.02357), figure 5."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, PooledHead, convolution


def separable(before: int, after: int) -> nn.Sequential:
    """A depthwise 3x3 convolution and a 1x1 convolution with nothing between, and a norm."""
    return nn.Sequential(
        nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
    )


class Block(nn.Module):
    """Separable convolutions with a ReLU before each, a max pooling if it has a stride; plus a shortcut.

    Args:
        widths: channels before the first, and after each. stride: of the pooling.
        begins: whether the first has a ReLU before it.
    """

    def __init__(self, widths: tuple[int, ...], stride: int, begins: bool = True):
        super().__init__()
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(itertools.pairwise(widths)):
            # Not in place: what comes in is the shortcut's, too.
            layers += [nn.ReLU(inplace=number > 0)] if number or begins else []
            layers.append(separable(before, after))
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.body = nn.Sequential(*layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or widths[0] != widths[-1]:
            self.shortcut = convolution(widths[0], widths[-1], 1, stride, activation=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, widths[-1], ⌈H / stride⌉, ⌈W / stride⌉)."""
        return self.body(x) + self.shortcut(x)


class Xception(nn.Module):
    """Residual blocks of separable convolutions: entry, middle and exit flow.

    For 299x299 pixels and 1,000 classes 22,855,952 parameters, as the paper's table 3, and 8.36 G multiply-adds.

    Up to 64 pixels the stem and the third block have stride 1.

    Args:
        classes: K. channels, size: of the images.
        width: factor of all channels. middle: blocks of the middle flow. dropout: before the last layer.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 299,
        width: float = 1.0,
        middle: int = 8,
        dropout: float = 0.5,
    ):
        super().__init__()
        a, b, c, d, e, f, g, h = (max(1, round(width * w)) for w in (32, 64, 128, 256, 728, 1024, 1536, 2048))
        small = size <= SMALL
        if small:
            stem = [convolution(channels, a, 3), convolution(a, b, 3)]
        else:
            stem = [convolution(channels, a, 3, 2, padding=0), convolution(a, b, 3, padding=0)]
        self.trunk = nn.Sequential(
            *(*stem, Block((b, c, c), 2, begins=False), Block((c, d, d), 2), Block((d, e, e), 1 if small else 2)),
            *(Block((e, e, e, e), 1) for _ in range(middle)),
            *(Block((e, e, f), 2), separable(f, g), nn.ReLU(inplace=True), separable(g, h), nn.ReLU(inplace=True)),
        )
        he_normal(self.trunk)
        self.head = PooledHead(h, classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
