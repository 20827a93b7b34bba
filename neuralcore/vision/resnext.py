"""ResNeXt: Xie et al. 2017, "Aggregated residual transformations for deep neural networks" (arXiv:1611.05431)."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.resnet import BOTTLENECK
from neuralcore.vision.blocks import SMALL, PooledHead
from neuralcore.vision.resnet import stages_of


class ResNeXt(nn.Module):
    """A residual network whose bottlenecks have their 3x3 convolution in many groups of few channels.

    For 224x224 pixels and 1,000 classes:

        depth  groups x width  parameters  multiply-adds
        50     32 x 4          25,028,904   4.23 G
        101    32 x 8          88,791,336  16.41 G
        101    64 x 4          83,455,272  15.46 G

    Up to 64 pixels the stem is one 3x3 convolution; depths of 9n + 2 that are not ImageNet's have CIFAR's three
    stages of 64, 128 and 256 (section 5.3: ResNeXt-29, 8 x 64, 34.4 million parameters).

    Args:
        classes: K. channels, size: of the images.
        depth: layers with weights; None: 50, or 29 for small images.
        groups, group_width: in a stage of width 64; None: 32 and 4, or 8 and 64 for CIFAR's depths.
        widths: of the stages; None: as above.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        depth: int | None = None,
        groups: int | None = None,
        group_width: int | None = None,
        widths: tuple[int, ...] | None = None,
    ):
        super().__init__()
        small = size <= SMALL
        depth = depth or (29 if small else 50)
        large = depth in BOTTLENECK
        self.trunk = stages_of(
            channels,
            depth,
            small=small,
            bottleneck=True,
            widths=widths or (None if large else (64, 128, 256)),
            shortcut="projection",
            groups=groups or (32 if large else 8),
            group_width=group_width or (4 if large else 64),
        )
        self.head = PooledHead(self.trunk.features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
