"""Inflation of 2-D networks into 3-D ones (I3D): Carreira & Zisserman 2017, "Quo vadis, action recognition?",
section 2.4.

A k x k kernel becomes k x k x k: its weights, repeated k times along time and divided by k. So on a still clip, all
of whose frames are one image, the inflated network gives what the 2-D network gives on that image. Time is padded by
repeating the first and the last frame, where zeros would break that at the ends.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.resnet import Preactivated, Residual, ResidualStages, Subsampled
from neuralcore.vision import make_model
from neuralcore.vision.blocks import Parallel

CONTAINERS = (nn.Sequential, Residual, Preactivated, ResidualStages, Parallel)  # whose forward asks for no rank
SAME = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.Identity, nn.Dropout)


class TimedConvolution(nn.Conv3d):
    """A 3-D convolution that pads pixels with zeros, time with its first and last frame; strides in pixels only."""

    def __init__(self, flat: nn.Conv2d):
        (rows, columns), (above, beside) = flat.kernel_size, _pair(flat.padding)
        if rows != columns or rows % 2 == 0 or flat.dilation != (1, 1):
            raise ValueError(f"only square, odd kernels are inflated, got {rows}x{columns} dilated {flat.dilation}")
        super().__init__(
            flat.in_channels,
            flat.out_channels,
            (rows, rows, columns),
            (1, *_pair(flat.stride)),
            (0, above, beside),
            groups=flat.groups,
            bias=flat.bias is not None,
        )
        self.weight = nn.Parameter(inflated_weight(flat.weight.detach(), rows))
        if flat.bias is not None:
            self.bias = nn.Parameter(flat.bias.detach().clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, C', T, h, w)."""
        ends = self.kernel_size[0] // 2
        return super().forward(F.pad(x, (0, 0, 0, 0, ends, ends), mode="replicate") if ends else x)


class SubsampledClip(nn.Module):
    """`Subsampled` of clips: every `stride`-th pixel of every frame, zeros for new channels."""

    def __init__(self, flat: Subsampled):
        super().__init__()
        self.added, self.stride = flat.added, flat.stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, C + added, T, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, 0, 0, self.added))


def inflated_weight(weight: torch.Tensor, depth: int) -> torch.Tensor:
    """(O, I, h, w) -> (O, I, depth, h, w)."""
    return weight[:, :, None].repeat(1, 1, depth, 1, 1) / depth


def inflate(module: nn.Module) -> nn.Module:
    """The 3-D network of a 2-D one, (B, C, H, W) -> … becomes (B, C, T, H, W) -> …, T unchanged; names stay.

    Raises:
        ValueError: it holds a module of which it is not known how.
    """
    if isinstance(module, nn.Conv2d):
        return TimedConvolution(module)
    if isinstance(module, nn.BatchNorm2d):
        norm = nn.BatchNorm3d(module.num_features, module.eps, module.momentum)
        norm.load_state_dict(module.state_dict())
        return norm
    if isinstance(module, nn.MaxPool2d):
        kernel, stride, padding = (_pair(v) for v in (module.kernel_size, module.stride, module.padding))
        return nn.MaxPool3d((1, *kernel), (1, *stride), (0, *padding), ceil_mode=module.ceil_mode)
    if isinstance(module, Subsampled):
        return SubsampledClip(module)
    if isinstance(module, SAME):
        return copy.deepcopy(module)
    if not isinstance(module, CONTAINERS):
        raise ValueError(f"a {type(module).__name__} cannot be inflated; networks such as resnet and vgg can")
    twin = copy.copy(module)
    twin._modules = {name: inflate(child) for name, child in module.named_children()}
    return twin


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


class Inflated(nn.Module):
    """The trunk of a network of `neuralcore.vision`, inflated, the mean of its maps over time, and its head.

    Deviations: time is never strided or pooled (the paper's networks halve it up to four times), which costs more and
    keeps still clips exact; RGB alone, no optical flow.

    Args:
        classes: K. channels, size: of the frames.
        family: of `neuralcore.vision.MODELS`. inner: its settings, in a file a table [settings.inner].
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        family: str = "resnet",
        inner: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        flat = make_model(family, classes, channels, size, inner)
        self.trunk: nn.Module = inflate(flat.trunk)  # type: ignore[arg-type]
        self.head: nn.Module = flat.head  # type: ignore[assignment]

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, T, C, H, W) -> (B, K)."""
        return self.head(self.trunk(clips.transpose(1, 2)).mean(2))
