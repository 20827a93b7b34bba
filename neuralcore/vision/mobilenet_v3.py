"""MobileNetV3: Howard et al. 2019, "Searching for MobileNetV3" (arXiv:1905.02244), tables 1 and 2."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, convolution, multiple_of
from neuralcore.vision.mobilenet_v2 import InvertedResidual

# Kernel, inner channels, channels, squeeze and excitation, hard swish (else ReLU), stride.
Row = tuple[int, int, int, bool, bool, int]
LARGE: tuple[Row, ...] = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
LITTLE: tuple[Row, ...] = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
FORMS = {"large": (LARGE, 1280), "small": (LITTLE, 1024)}  # and the width of the head's layer


class MobileNetV3(nn.Module):
    """MobileNetV2 as a search found it, with squeeze and excitation and hard swish.

    For 224x224 pixels and 1,000 classes the large one has 5,483,032 parameters and 217 M multiply-adds (paper: 5.4 M
    and 219 M), the small one 2,542,856 and 57 M (2.5 M and 56 M).

    Up to 64 pixels the stem and the first block of stride 2 have stride 1.

    Args:
        classes: K. channels, size: of the images.
        form: "large" or "small", of the paper's two. width: factor of all channels but the head's.
        dropout: before the last layer.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        form: str = "large",
        width: float = 1.0,
        dropout: float = 0.2,
    ):
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"form must be 'large' or 'small', got {form!r}")
        rows, hidden = FORMS[form]
        small = size <= SMALL
        before = multiple_of(16 * width)
        layers: list[nn.Module] = [convolution(channels, before, 3, 1 if small else 2, activation=nn.Hardswish)]
        spared = small
        inner = before
        for kernel, wide, full, squeezes, is_swish, stride in rows:
            if spared and stride == 2:
                stride, spared = 1, False
            inner, after = multiple_of(wide * width), multiple_of(full * width)
            squeezed = multiple_of(inner / 4) if squeezes else None
            activation: type[nn.Module] = nn.Hardswish if is_swish else nn.ReLU
            layers.append(InvertedResidual(before, inner, after, kernel, stride, activation, squeezed))
            before = after
        last = 6 * before
        self.trunk = nn.Sequential(*layers, convolution(before, last, 1, activation=nn.Hardswish))
        he_normal(self.trunk)
        self.head = nn.Sequential(
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, hidden), nn.Hardswish(inplace=True)),
            *(nn.Dropout(dropout), nn.Linear(hidden, classes)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))
