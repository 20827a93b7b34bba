"""Squeeze and excitation in residual networks (Hu, Shen & Sun 2018, https://arxiv.org/abs/1709.01507)."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.vision.blocks import SMALL, PooledHead
from neuralcore.vision.resnet import stages_of


class SqueezeExcite(nn.Module):
    """x times a gate of each channel: sigmoid(W2 relu(W1 mean(x))).

    Args:
        features: C. squeezed: width between the two layers. sigmoid: makes the gate.
    """

    def __init__(self, features: int, squeezed: int, sigmoid: type[nn.Module] = nn.Sigmoid):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(features, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, features, 1),
            sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same."""
        return x * self.gate(x)


class SEResNet(nn.Module):
    """A residual network whose blocks weigh their channels before the sum.

    For 224x224 pixels and 1,000 classes at depth 50 28,088,024 parameters; 3.86 G multiply-adds with `stride_in`
    "first", as the paper's (table 2: 3.87 G, which counts more than products), 4.09 G with "middle". Depths and the
    form for small images are `ResNet`'s.

    Args:
        classes: K. channels, size: of the images.
        depth, bottleneck, widths, stride_in: see `ResNet`.
        reduction: channels over those that they are squeezed to.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        depth: int | None = None,
        bottleneck: bool | None = None,
        widths: tuple[int, ...] | None = None,
        stride_in: str = "middle",
        reduction: int = 16,
    ):
        super().__init__()
        small = size <= SMALL
        self.trunk = stages_of(
            channels,
            depth or (20 if small else 50),
            small=small,
            bottleneck=bottleneck,
            widths=widths,
            stride_in=stride_in,
            gate=lambda features: SqueezeExcite(features, max(1, features // reduction)),
        )
        self.head = PooledHead(self.trunk.features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
