"""What the networks here share: the stages of VGG-16 (Simonyan & Zisserman 2015), which FCN and SegNet begin with."""

from __future__ import annotations

import itertools

from torch import nn

COUNTS = (2, 2, 3, 3, 3)  # convolutions of a stage
WIDTHS = (1, 2, 4, 8, 8)  # channels of a stage, of the first one's


def convolutions(widths: list[int], norm: bool) -> nn.Sequential:
    """3x3 convolutions from each width to the next, a ReLU after each, and a batch norm before it where asked for."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers.append(nn.Conv2d(before, after, 3, padding=1))
        layers += [nn.BatchNorm2d(after)] if norm else []
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def vgg_stages(channels: int, width: int, norm: bool) -> nn.ModuleList:
    """The five stages, without the poolings between them."""
    stages, before = nn.ModuleList(), channels
    for count, factor in zip(COUNTS, WIDTHS, strict=True):
        stages.append(convolutions([before, *[factor * width] * count], norm))
        before = factor * width
    return stages


def check_size(name: str, size: int) -> None:
    """Halved after each of five stages, sides must be multiples of 32.

    Raises:
        ValueError: they are not.
    """
    if size < 1 or size % 2 ** len(COUNTS):
        raise ValueError(f"{name} takes images whose sides are multiples of {2 ** len(COUNTS)} pixels, got {size}")
