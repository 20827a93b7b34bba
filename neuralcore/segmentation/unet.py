"""U-Net: Ronneberger et al. 2015, "U-Net: convolutional networks for biomedical image segmentation".

https://arxiv.org/abs/1505.04597
"""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.shape import match_shape


class UNet(nn.Module):
    """Two 3x3 convolutions a level, halved to the bottom and doubled back, each level joined to its mirror image.

    Figure 1 of the paper is `UNet(2, channels=1, size=388, padded=False)`: 31,030,658 parameters, and takes 572
    pixels.

    Deviations: convolutions are padded unless `padded` is False; batch norms where asked for; the paper weighs pixels
    between touching cells more, which the task here does not.

    Args:
        classes: K. channels: of the images. size: pixels a side of what comes out; must fit.
        width: channels of the first level, doubled in each below. depth: levels below the first.
        padded: whether what comes out is as large as what goes in. norm: a batch norm after each 3x3 convolution.
        dropout: at the bottom, as in the paper, which does not say how much.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 512,
        width: int = 64,
        depth: int = 4,
        padded: bool = True,
        norm: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.multiple = 2**depth
        # On the way down and up, level l loses 4 pixels of itself, each 2^l of the image: twice but for the bottom.
        self.margin = 0 if padded else 6 * 2**depth - 4
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            [_Pair(a, b, padded, norm) for a, b in zip([channels, *widths[:-1]], widths, strict=True)]
        )
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList([nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1])])
        self.join = nn.ModuleList([_Pair(2 * w, w, padded, norm) for w in reversed(widths[:-1])])
        self.last = nn.Conv2d(width, classes, 1)
        he_normal(self)
        fits = self.fitting(size)
        if fits != size:
            raise ValueError(f"this unet gives {fits} pixels a side, or {self.multiple} more or less, not {size}")

    def fitting(self, side: int) -> int:
        """The least number of pixels, `side` or more, that can come out along an axis: none may be odd where it is
        halved."""
        least = 4 if self.margin else 0
        return least + max(-(-(side - least) // self.multiple), 0 if least else 1) * self.multiple

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) -> (B, K, H - 2 margin, W - 2 margin)."""
        match_shape(images, -1, -1, -1, -1, name="images")
        passed, x = [], images
        for level, pair in enumerate(self.down):
            x = pair(x if level == 0 else nn.functional.max_pool2d(x, 2))
            passed.append(x)
        x = self.dropout(passed.pop())
        for up, join in zip(self.up, self.join, strict=True):
            x = up(x)
            x = join(torch.cat([cropped_to(passed.pop(), x), x], dim=1))
        return self.last(x)


class _Pair(nn.Sequential):
    """Two 3x3 convolutions, a ReLU after each."""

    def __init__(self, before: int, after: int, padded: bool, norm: bool):
        layers: list[nn.Module] = []
        for channels in (before, after):
            layers.append(nn.Conv2d(channels, after, 3, padding=int(padded), bias=not norm))
            layers += [nn.BatchNorm2d(after)] if norm else []
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def cropped_to(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The middle of (B, C, H, W), as tall and wide as another."""
    top, left = (x.shape[2] - like.shape[2]) // 2, (x.shape[3] - like.shape[3]) // 2
    return x[:, :, top : top + like.shape[2], left : left + like.shape[3]]
