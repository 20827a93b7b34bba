"""Convolutions that see earlier pixels only, and the gated layer that is made of them.

Pixels come row by row, in a row from left to right, in a pixel channel by channel. A vertical stack sees the rows
above; a horizontal one the row so far, and what the vertical one gives: so no earlier pixel is missed, as behind one
masked square kernel (van den Oord et al. 2016b, section 2.2, https://arxiv.org/abs/1606.05328).

Features belong to a channel each, in equal parts: those of channel c see the channels before c of their own pixel
(mask A, of the image) or up to c (mask B, of features) (van den Oord et al. 2016a, section 3.4).

Axes: B images of C x H x W, F features.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def channel_of(features: int, channels: int) -> torch.Tensor:
    """(features,) which image channel each belongs to."""
    return torch.arange(features) * channels // features


class Row(nn.Conv2d):
    """A convolution along a row, over `reach` pixels to the left and the pixel itself by a mask.

    Args:
        inputs, outputs: which image channel each of them belongs to. reach: pixels to the left.
        strict: mask A, own channel and later ones unseen; else mask B.
    """

    mask: torch.Tensor

    def __init__(self, inputs: torch.Tensor, outputs: torch.Tensor, reach: int, *, strict: bool = False):
        super().__init__(len(inputs), len(outputs), (1, reach + 1))
        seen = inputs < outputs[:, None] if strict else inputs <= outputs[:, None]
        mask = torch.ones(self.weight.shape)
        mask[:, :, 0, -1] = seen.float()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, h, W) -> (B, outputs, h, W); rows do not know each other."""
        return F.conv2d(F.pad(x, (self.kernel_size[1] - 1, 0)), self.weight * self.mask, self.bias)


class Above(nn.Conv2d):
    """A convolution over a pixel's own row and `reach` above, `reach` pixels to either side."""

    def __init__(self, inputs: int, outputs: int, reach: int):
        super().__init__(inputs, outputs, (reach + 1, 2 * reach + 1))
        self.reach = reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        return super().forward(F.pad(x, (self.reach, self.reach, self.reach, 0)))


def gated(x: torch.Tensor) -> torch.Tensor:
    """(B, 2 F, …) -> (B, F, …): tanh of the first half times σ of the other (van den Oord et al. 2016b, eq. 2)."""
    values, gates = x.chunk(2, 1)
    return torch.tanh(values) * torch.sigmoid(gates)


class GatedLayer(nn.Module):
    """One layer of both stacks; the horizontal one has a residual, and takes the vertical one's features by 1x1.

    Args:
        width: F of either stack. channels: C. reach: of the kernels, 1 makes them 3 wide. classes: K, 0 for none.
    """

    def __init__(self, width: int, channels: int, reach: int, classes: int):
        super().__init__()
        own = channel_of(width, channels)
        both = own.repeat(2)  # values and gates
        self.vertical = Above(width, 2 * width, reach)
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.row = Row(own, both, reach)
        self.out = Row(own, own, 0)
        self.of_class = nn.Embedding(classes, 4 * width) if classes else None

    def above(self, v: torch.Tensor, labels: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, F, h, W) of the vertical stack -> its next features, and what the row is given of it, (B, 2 F, h,
        W)."""
        x = self.vertical(v)
        link = self.link(x)
        if self.of_class is not None:
            shift, given = self.of_class(labels)[:, :, None, None].chunk(2, 1)
            x, link = x + shift, link + given
        return gated(x), link

    def along(self, h: torch.Tensor, link: torch.Tensor) -> torch.Tensor:
        """The horizontal stack (B, F, h, W), with what it is given -> its next features."""
        return h + self.out(gated(self.row(h) + link))
