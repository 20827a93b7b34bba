"""Inception v3: Szegedy et al. 2016, "Rethinking the Inception architecture" (arXiv:1512.00567)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, Parallel, PooledHead, convolution
from neuralcore.vision.googlenet import through

Scaled = Callable[[int], int]


class Inception(nn.Module):
    """Modules of factorised convolutions: 5x5 as two of 3x3, 7x7 as 1x7 and 7x1, and at last 3x3 as 1x3 beside 3x1.

    For 299x299 pixels and 1,000 classes 23,834,568 parameters and 5.71 G multiply-adds, 27,161,264 parameters with
    the auxiliary head: torchvision's counts. The paper's abstract has "5 billion" and "less than 25 million".

    Up to 64 pixels the stem is three 3x3 convolutions without stride or pooling.

    Deviations: those of the authors' code from the paper's text, as everybody has them (figure 10's "filter bank
    sizes" are the code's); the auxiliary head sees 5x5 means of any size.

    Args:
        classes: K. channels, size: of the images.
        auxiliary: whether there is an auxiliary head; `with_auxiliary` gives what it says, `forward` does not.
        width: factor of all channels. dropout: before the last layer.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 299,
        auxiliary: bool = False,
        width: float = 1.0,
        dropout: float = 0.5,
    ):
        super().__init__()

        def scaled(full: int) -> int:
            return max(1, round(width * full))

        a, b, c, d = (scaled(w) for w in (32, 64, 80, 192))
        if size <= SMALL:
            stem: list[nn.Module] = [convolution(channels, a, 3), convolution(a, b, 3), convolution(b, d, 3)]
        else:
            stem = [
                *(convolution(channels, a, 3, 2, padding=0), convolution(a, a, 3, padding=0), convolution(a, b, 3)),
                *(nn.MaxPool2d(3, 2), convolution(b, c, 1), convolution(c, d, 3, padding=0), nn.MaxPool2d(3, 2)),
            ]
        self.trunk = nn.Sequential()
        self.trunk.add_module("stem", nn.Sequential(*stem))
        before = d
        for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
            self.trunk.add_module(name, _five(before, scaled, pooled))
            before = 2 * scaled(64) + scaled(96) + scaled(pooled)
        self.trunk.add_module("6a", _to_six(before, scaled))
        before += scaled(384) + scaled(96)
        for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            self.trunk.add_module(name, _six(before, scaled(inner), scaled(192)))
            before = 4 * scaled(192)
        self.auxiliaries = nn.ModuleDict()
        if auxiliary:
            e, f = scaled(128), scaled(768)
            self.auxiliaries["6e"] = nn.Sequential(
                *(nn.AdaptiveAvgPool2d(5), convolution(before, e, 1), convolution(e, f, 5, padding=0)),
                *(nn.Flatten(), nn.Linear(f, classes)),
            )
        self.trunk.add_module("7a", _to_seven(before, scaled))
        before += scaled(320) + scaled(192)
        for name in ("7b", "7c"):
            self.trunk.add_module(name, _seven(before, scaled))
            before = scaled(320) + 4 * scaled(384) + scaled(192)
        he_normal(self)
        self.head = PooledHead(before, classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))

    def with_auxiliary(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits (B, K), and those of the auxiliary head, whose loss counts 0.3 in training, as GoogLeNet's."""
        return through(self.trunk, self.head, self.auxiliaries, images)


def _row(before: int, *layers: tuple[int, int | tuple[int, int]]) -> nn.Sequential:
    """Convolutions (channels, kernel) one after the other."""
    found = nn.Sequential()
    for after, kernel in layers:
        found.append(convolution(before, after, kernel))
        before = after
    return found


def _pooled(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(3, 1, padding=1), convolution(before, after, 1))


def _five(before: int, scaled: Scaled, pooled: int) -> nn.Module:
    """Figure 5."""
    a, b, c = scaled(64), scaled(48), scaled(96)
    return Parallel(
        [
            convolution(before, a, 1),
            _row(before, (b, 1), (a, 5)),
            _row(before, (a, 1), (c, 3), (c, 3)),
            _pooled(before, scaled(pooled)),
        ]
    )


def _to_six(before: int, scaled: Scaled) -> nn.Module:
    """Figure 10: strided convolutions beside a pooling."""
    a, b = scaled(64), scaled(96)
    return Parallel(
        [
            convolution(before, scaled(384), 3, 2, padding=0),
            nn.Sequential(_row(before, (a, 1), (b, 3)), convolution(b, b, 3, 2, padding=0)),
            nn.MaxPool2d(3, 2),
        ]
    )


def _six(before: int, inner: int, after: int) -> nn.Module:
    """Figure 6, n = 7."""
    wide, tall = (1, 7), (7, 1)
    return Parallel(
        [
            convolution(before, after, 1),
            _row(before, (inner, 1), (inner, wide), (after, tall)),
            _row(before, (inner, 1), (inner, tall), (inner, wide), (inner, tall), (after, wide)),
            _pooled(before, after),
        ]
    )


def _to_seven(before: int, scaled: Scaled) -> nn.Module:
    a = scaled(192)
    return Parallel(
        [
            nn.Sequential(convolution(before, a, 1), convolution(a, scaled(320), 3, 2, padding=0)),
            nn.Sequential(_row(before, (a, 1), (a, (1, 7)), (a, (7, 1))), convolution(a, a, 3, 2, padding=0)),
            nn.MaxPool2d(3, 2),
        ]
    )


def _seven(before: int, scaled: Scaled) -> nn.Module:
    """Figure 7: outer kernels side by side."""
    a, b = scaled(384), scaled(448)

    def split() -> nn.Module:
        return Parallel([convolution(a, a, (1, 3)), convolution(a, a, (3, 1))])

    return Parallel(
        [
            convolution(before, scaled(320), 1),
            nn.Sequential(convolution(before, a, 1), split()),
            nn.Sequential(_row(before, (b, 1), (a, 3)), split()),
            _pooled(before, scaled(192)),
        ]
    )
