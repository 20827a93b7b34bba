"""MobileNet: Howard et al. 2017, "MobileNets: efficient convolutional networks" (arXiv:1704.04861), table 1."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, PooledHead, convolution

# Channels and stride of the separable convolutions behind the stem of 32 channels.
LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


class MobileNet(nn.Module):
    """Depthwise 3x3 convolutions, each with a 1x1 convolution that mixes channels; norm and ReLU after both.

    For 224x224 pixels and 1,000 classes 4,231,976 parameters and 569 M multiply-adds, with width 0.5 1,331,592 and
    149 M, as the paper's table 6 has them (4.2 and 1.3 million parameters).

    Up to 64 pixels the stem and the first layer of stride 2 have stride 1.

    Args:
        classes: K. channels, size: of the images.
        width: factor of all channels, the paper's α. dropout: before the last layer; not in the paper.
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 224, width: float = 1.0, dropout: float = 0.0):
        super().__init__()
        before = max(1, int(32 * width))
        spared = 2 if size <= SMALL else 0  # strides that are left out
        layers = [convolution(channels, before, 3, 1 if spared else 2)]
        spared -= 1
        for full, stride in LAYERS:
            if stride == 2 and spared > 0:
                stride, spared = 1, spared - 1
            after = max(1, int(full * width))
            layers += [convolution(before, before, 3, stride, groups=before), convolution(before, after, 1)]
            before = after
        self.trunk = nn.Sequential(*layers)
        he_normal(self.trunk)
        self.head = PooledHead(before, classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
