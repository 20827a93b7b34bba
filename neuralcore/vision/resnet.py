"""Residual networks (He et al. 2016, https://arxiv.org/abs/1512.03385 and https://arxiv.org/abs/1603.05027)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from neuralcore.layers.resnet import BASIC, BOTTLENECK, Gate, ResidualStages
from neuralcore.vision.blocks import SMALL, PooledHead

WIDTHS = (64, 128, 256, 512)
SMALL_WIDTHS = (16, 32, 64)


class ResNet(nn.Module):
    """Residual blocks in stages, the mean over pixels, a linear layer.

    For 224x224 pixels and 1,000 classes:

        depth  blocks      parameters   multiply-adds
        18     basic       11,689,512    1.81 G
        34     basic       21,797,672    3.66 G
        50     bottleneck  25,557,032    4.09 G (3.86 G with stride_in "first")
        101    bottleneck  44,549,160    7.80 G
        152    bottleneck  60,192,808   11.51 G

    Up to 64 pixels the stem is one 3x3 convolution, and the depths above have all their stages. Other depths are
    CIFAR's of section 4.2: three stages of width 16, 32 and 64, 6n + 2 layers of basic blocks (20: 269,722 parameters
    for ten classes; 32, 44, 56, 110) or 9n + 2 of bottlenecks (164).

    Deviation: the stride of a bottleneck is in its 3x3 convolution, as in fb.resnet.torch, unless `stride_in` says
    "first".

    Args:
        classes: K. channels, size: of the images.
        depth: layers with weights; None: 50, or 20 for small images.
        small: whether it has the stem for small images; None: up to 64 pixels.
        bottleneck: kind of the blocks; None: by the depth as above, and basic for others.
        widths: of the stages; None: as above. A network of other depth than above has as many stages as widths.
        shortcut: "projection" or "padded" where shapes change, see `ResidualStages`; None: padded for CIFAR's.
        stride_in: "first" or "middle", of bottlenecks.
        preactivated: norm and ReLU before the convolutions (He et al. 2016b).
        zero_last: begin each block as its shortcut (Goyal et al. 2017).
        dropout: before the last layer; not in the paper.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        depth: int | None = None,
        small: bool | None = None,
        bottleneck: bool | None = None,
        widths: tuple[int, ...] | None = None,
        shortcut: str | None = None,
        stride_in: str = "middle",
        preactivated: bool = False,
        zero_last: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        if zero_last and preactivated:
            raise ValueError("zero_last is of blocks that end in a norm, preactivated ones end in a convolution")
        self.trunk = stages_of(
            channels,
            depth or (20 if size <= SMALL else 50),
            small=size <= SMALL if small is None else small,
            bottleneck=bottleneck,
            widths=widths,
            shortcut=shortcut,
            stride_in=stride_in,
            preactivated=preactivated,
        )
        if zero_last:
            self.trunk.zero_last_gains()
        self.head = PooledHead(self.trunk.features, classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))


def stages_of(
    channels: int,
    depth: int,
    *,
    small: bool,
    bottleneck: bool | None = None,
    widths: Sequence[int] | None = None,
    shortcut: str | None = None,
    stride_in: str = "middle",
    preactivated: bool = False,
    groups: int = 1,
    group_width: int = 64,
    gate: Gate | None = None,
) -> ResidualStages:
    """The stages of a depth, as `ResNet` describes them.

    Raises:
        ValueError: there is no network of that depth, or a setting is unknown or changes nothing.
    """
    if shortcut not in (None, "projection", "padded"):
        raise ValueError(f"shortcut must be 'projection' or 'padded', got {shortcut!r}")
    if stride_in not in ("first", "middle"):
        raise ValueError(f"stride_in must be 'first' or 'middle', got {stride_in!r}")
    known: dict[int, tuple[int, ...]] = {**BASIC, **BOTTLENECK}
    narrowing = depth in BOTTLENECK if bottleneck is None else bottleneck
    if depth in known and narrowing == (depth in BOTTLENECK):
        counts, widths, shortcut = known[depth], widths or WIDTHS, shortcut or "projection"
        if len(widths) != len(counts):
            raise ValueError(f"ResNet-{depth} has {len(counts)} stages, got widths {list(widths)}")
    else:
        widths, shortcut, layers = widths or SMALL_WIDTHS, shortcut or "padded", 3 if narrowing else 2
        count = (depth - 2) // (layers * len(widths))
        if count < 1 or layers * len(widths) * count + 2 != depth:
            raise ValueError(
                f"depth {depth}: {sorted(known)}, or {layers * len(widths)}n + 2 for {len(widths)} stages of "
                f"{'bottlenecks' if narrowing else 'basic blocks'}"
            )
        counts = (count,) * len(widths)
    if stride_in != "middle" and not narrowing:
        raise ValueError("stride_in is of bottlenecks, and these are basic blocks")
    return ResidualStages(
        channels,
        counts,
        widths,
        small=small,
        bottleneck=narrowing,
        groups=groups,
        group_width=group_width,
        shortcut=shortcut,
        stride_in=stride_in,
        preactivated=preactivated,
        gate=gate,
    )
