"""SegNet: Badrinarayanan et al. 2017.

"SegNet: a deep convolutional encoder-decoder architecture for image segmentation", https://arxiv.org/abs/1511.00561
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.initial import he_normal
from neuralcore.segmentation.stages import COUNTS, WIDTHS, check_size, convolutions, vgg_stages


class SegNet(nn.Module):
    """VGG-16's convolutions, and their mirror image, which puts each value where its maximum was found.

    For 12 classes it has 29,449,932 parameters, what the paper calls 29.45 M. Pixels that were no maximum are 0 after
    the unpooling: what lies between is up to the convolutions that follow.

    Args:
        classes: K. channels: of the images. size: pixels a side, a multiple of 32.
        width: channels of the first stage.
    """

    margin = 0

    def __init__(self, classes: int, *, channels: int = 3, size: int = 224, width: int = 64):
        super().__init__()
        check_size("segnet", size)
        self.down = vgg_stages(channels, width, norm=True)
        widths = [factor * width for factor in WIDTHS]
        self.up = nn.ModuleList()
        for number in reversed(range(len(COUNTS))):
            inner = [widths[number]] * COUNTS[number]
            if number:
                self.up.append(convolutions([*inner, widths[number - 1]], norm=True))
            else:
                self.up.append(
                    nn.Sequential(*convolutions(inner, norm=True), nn.Conv2d(width, classes, 3, padding=1))
                )
        he_normal(self)

    def fitting(self, side: int) -> int:
        """The next multiple of 32."""
        return max(-(-side // 32), 1) * 32

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) -> (B, K, H, W)."""
        places, x = [], images
        for stage in self.down:
            x, place = F.max_pool2d(stage(x), 2, return_indices=True)
            places.append(place)
        for stage in self.up:
            x = stage(F.max_unpool2d(x, places.pop(), [2, 2]))
        return x
