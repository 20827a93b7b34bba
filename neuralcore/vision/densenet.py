"""DenseNet: Huang et al. 2017, "Densely connected convolutional networks" (arXiv:1608.06993)."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, PooledHead

# Layers of each block, and the growth rate.
FORMS = {
    121: ((6, 12, 24, 16), 32),
    161: ((6, 12, 36, 24), 48),
    169: ((6, 12, 32, 32), 32),
    201: ((6, 12, 48, 32), 32),
}
WIDENING = 4  # a bottleneck's 1x1 convolution gives four times the growth rate


class DenseLayer(nn.Module):
    """x and `growth` maps made of it: norm, ReLU, [1x1, norm, ReLU,] 3x3."""

    def __init__(self, before: int, growth: int, bottleneck: bool, dropout: float):
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
        if bottleneck:
            inner = WIDENING * growth
            layers += [nn.Conv2d(before, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True)]
            before = inner
        layers.append(nn.Conv2d(before, growth, 3, padding=1, bias=False))
        self.body = nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C + growth, H, W)."""
        return torch.cat([x, self.body(x)], dim=1)


class DenseNet(nn.Module):
    """Blocks in which each layer sees all that came before it.

    For 224x224 pixels and 1,000 classes:

        depth  growth  parameters  multiply-adds
        121    32       7,978,856  2.83 G
        161    48      28,681,000  7.73 G
        169    32      14,149,480  3.36 G
        201    32      20,013,928  4.29 G

    Up to 64 pixels the stem is one 3x3 convolution. Depths that are not above are CIFAR's, of three blocks: 3n + 4
    with n layers in each, or 6n + 4 with n bottlenecks. At growth 12 and for ten classes, depth 40 has 1,019,722
    parameters, depth 100 with bottlenecks 769,162 (table 2: 1.0 and 0.8 million).

    Args:
        classes: K. channels, size: of the images.
        depth: layers with weights; None: 121, or 40 for small images.
        growth: maps that a layer adds; None: as above, or 12.
        bottleneck: a 1x1 convolution before each 3x3, and transitions that halve the maps ("BC"); None: of the depths
            above.
        dropout: behind every convolution of a block.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        depth: int | None = None,
        growth: int | None = None,
        bottleneck: bool | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        small = size <= SMALL
        depth = depth or (40 if small else 121)
        bottleneck = depth in FORMS if bottleneck is None else bottleneck
        counts, usual = FORMS[depth] if depth in FORMS else (_counts(depth, bottleneck), 12)
        if depth in FORMS and not bottleneck:
            raise ValueError(f"DenseNet-{depth} has bottlenecks; other depths 3n + 4 need none")
        growth = growth or usual
        width = 2 * growth if bottleneck else 16
        kernel, stride = (3, 1) if small else (7, 2)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)]
        if not small:
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
        for number, count in enumerate(counts):
            if number:
                after = width // 2 if bottleneck else width
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Conv2d(width, after, 1, bias=False)]
                layers.append(nn.AvgPool2d(2))
                width = after
            for _ in range(count):
                layers.append(DenseLayer(width, growth, bottleneck, dropout))
                width += growth
        self.trunk = nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        he_normal(self.trunk)
        self.head = PooledHead(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))


def _counts(depth: int, bottleneck: bool) -> tuple[int, ...]:
    """Layers of CIFAR's three blocks."""
    each = 6 if bottleneck else 3
    count = (depth - 4) // each
    if count < 1 or each * count + 4 != depth:
        kind = " with bottlenecks" if bottleneck else ""
        raise ValueError(f"depth {depth}: one of {sorted(FORMS)}, or {each}n + 4{kind}")
    return (count,) * 3
