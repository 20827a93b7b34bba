"""FCN: Long, Shelhamer & Darrell 2015, "Fully convolutional networks for semantic segmentation".

https://arxiv.org/abs/1411.4038
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.initial import he_normal
from neuralcore.segmentation.stages import WIDTHS, check_size, vgg_stages

SKIPS = {32: 0, 16: 1, 8: 2}  # stride -> how many finer stages are added


class FCN(nn.Module):
    """VGG-16 with its fully connected layers as convolutions; their scores, and those of finer stages, brought up.

    FCN-32s for 21 classes has 134,346,581 parameters, what the paper calls 134 M. FCN-16s and 8s add the scores of
    the fourth and the third pooling, each after a learned doubling that begins as bilinear interpolation; the last
    step is bilinear and not learned.

    Deviations: the 7x7 convolution is padded by 3, not the image by 100; `width` and `hidden` make it small, and
    batch norms let it begin without weights of ImageNet's. Scores begin at 0, as in the paper.

    Args:
        classes: K. channels: of the images. size: pixels a side, a multiple of 32.
        stride: 32, 16 or 8, pixels of the image for one of the finest scores.
        width: channels of the first stage. hidden: of the two layers that were fully connected.
        norm: a batch norm after each 3x3 convolution. dropout: after the two layers.
    """

    margin = 0

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        stride: int = 8,
        width: int = 64,
        hidden: int = 4096,
        norm: bool = False,
        dropout: float = 0.5,
    ):
        super().__init__()
        check_size("fcn", size)
        if stride not in SKIPS:
            raise ValueError(f"stride must be one of {list(SKIPS)}, got {stride}")
        self.stages = vgg_stages(channels, width, norm)
        self.connected = nn.Sequential(
            nn.Conv2d(WIDTHS[-1] * width, hidden, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
        )
        he_normal(self)
        finer = [WIDTHS[3 - skip] * width for skip in range(SKIPS[stride])]
        self.scores = nn.ModuleList([nn.Conv2d(features, classes, 1) for features in (hidden, *finer)])
        self.doubled = nn.ModuleList([bilinear_doubling(classes) for _ in finer])
        for score in self.scores:
            nn.init.zeros_(score.weight)  # type: ignore[arg-type]
            nn.init.zeros_(score.bias)  # type: ignore[arg-type]

    def fitting(self, side: int) -> int:
        """The next multiple of 32."""
        return max(-(-side // 32), 1) * 32

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) -> (B, K, H, W)."""
        pooled, x = [], images
        for stage in self.stages:
            x = F.max_pool2d(stage(x), 2)
            pooled.append(x)
        x = self.scores[0](self.connected(x))
        for number, doubled in enumerate(self.doubled):
            x = doubled(x) + self.scores[number + 1](pooled[3 - number])
        return F.interpolate(x, images.shape[2:], mode="bilinear")


def bilinear_doubling(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that begins as bilinear interpolation to twice the size, channel by channel."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    along = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = along[:, None] * along
    return layer
