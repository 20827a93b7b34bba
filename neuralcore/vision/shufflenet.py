"""ShuffleNet V2: Ma et al. 2018, "Practical guidelines for efficient CNN architecture design" (arXiv:1807.11164)."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.shape import match_shape
from neuralcore.vision.blocks import SMALL, PooledHead, convolution

# Factor -> channels of stages 2, 3 and 4, and of the last convolution (table 5).
WIDTHS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
COUNTS = (4, 8, 4)
STEM = 24


class Shuffle(nn.Module):
    """Channels of two groups in turn: of 0 1 2 3 becomes 0 2 1 3."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 2 C, H, W) -> the same."""
        count, height, width = match_shape(x, -1, x.shape[1] // 2 * 2, -1, -1, name="feature maps")
        return x.view(count, 2, -1, height, width).transpose(1, 2).flatten(1, 2)


class Unit(nn.Module):
    """Figure 3 c and d: half of the channels stay as they are, half go through 1x1, depthwise 3x3 and 1x1.

    With a stride both halves are all channels, and the first goes through depthwise 3x3 and 1x1.
    """

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        half = after // 2
        self.split = stride == 1
        inputs = half if self.split else before
        self.main = nn.Sequential(
            convolution(inputs, half, 1),
            convolution(half, half, 3, stride, groups=half, activation=None),
            convolution(half, half, 1),
        )
        self.side: nn.Module = nn.Identity()
        if not self.split:
            narrow = convolution(before, before, 3, stride, groups=before, activation=None)
            self.side = nn.Sequential(narrow, convolution(before, half, 1))
        self.shuffle = Shuffle()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, before, H, W) -> (B, after, ⌈H / stride⌉, ⌈W / stride⌉)."""
        left, right = x.chunk(2, dim=1) if self.split else (x, x)
        return self.shuffle(torch.cat([self.side(left), self.main(right)], dim=1))


class ShuffleNet(nn.Module):
    """Units that split channels, and shuffle them afterwards so that the halves meet. It is the second version.

    For 224x224 pixels and 1,000 classes:

        width  parameters  multiply-adds
        0.5    1,366,792    41 M
        1      2,278,604   145 M (the paper: 146 M)
        1.5    3,503,624   296 M (299 M)
        2      7,393,996   583 M (591 M)

    Up to 64 pixels the stem has stride 1 and no pooling.

    Args:
        classes: K. channels, size: of the images.
        width: 0.5, 1, 1.5 or 2.
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 224, width: float = 1.0):
        super().__init__()
        if width not in WIDTHS:
            raise ValueError(f"width must be one of {list(WIDTHS)}, got {width}")
        *stages, last = WIDTHS[width]
        small, before = size <= SMALL, STEM
        layers: list[nn.Module] = [convolution(channels, STEM, 3, 1 if small else 2)]
        if not small:
            layers.append(nn.MaxPool2d(3, 2, padding=1))
        for count, after in zip(COUNTS, stages):
            layers.append(Unit(before, after, stride=2))
            layers += [Unit(after, after, stride=1) for _ in range(count - 1)]
            before = after
        self.trunk = nn.Sequential(*layers, convolution(before, last, 1))
        he_normal(self.trunk)
        self.head = PooledHead(last, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
