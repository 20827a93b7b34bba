"""Residual networks: the stages that classifiers and agents share, and the trunk of an agent.

He et al. 2016, "Deep residual learning for image recognition" (https://arxiv.org/abs/1512.03385), and with the norms
in front "Identity mappings in deep residual networks" (https://arxiv.org/abs/1603.05027).

A stage halves height and width in its first block, but for the first stage. Axes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.convolution import Pixels, channels_first, image_shape
from neuralcore.layers.initial import InitialWeights, he_normal, set_initial
from neuralcore.layers.rectified import Apply, rectified

EXPANSION = 4  # a bottleneck gives four times its width
BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # blocks of each stage, ImageNet's networks
BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
Gate = Callable[[int], nn.Module]  # channels -> what the block's output goes through before the sum
Norm = Callable[[int], nn.Module]


class Subsampled(nn.Module):
    """Shortcut A of the paper: every `stride`-th pixel, and zeros for the channels that are new. No weights."""

    def __init__(self, added: int, stride: int):
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C + added, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)), a norm after each convolution of the body, and a ReLU between them.

    Args:
        convolutions: of the body. shortcut: None for x itself. norm: makes a norm for so many channels.
        gate: see `Gate`.
    """

    def __init__(self, convolutions: Sequence[nn.Conv2d], shortcut: nn.Module | None, norm: Norm, gate: Gate | None):
        super().__init__()
        layers: list[nn.Module] = []
        for convolution in convolutions:
            layers += [convolution, norm(convolution.out_channels), nn.ReLU(inplace=True)]
        after = convolutions[-1].out_channels
        self.body = nn.Sequential(*layers[:-1], *([gate(after)] if gate else []))
        self.shortcut = shortcut or nn.Identity()
        if isinstance(shortcut, nn.Conv2d):
            self.shortcut = nn.Sequential(shortcut, norm(after))
        self.relu = nn.ReLU(inplace=True)
        self.last_norm = 3 * len(convolutions) - 2  # its place in the body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same, or what the block's width and stride make of it."""
        return self.relu(self.body(x) + self.shortcut(x))


class Preactivated(nn.Module):
    """y = relu(norm(x)); body(y) + shortcut, a norm and a ReLU before each convolution of the body.

    The shortcut is x, or where the shape changes a projection of y.

    Args:
        first: whether x comes with its norm and ReLU done, as behind the stem.
    """

    def __init__(
        self,
        convolutions: Sequence[nn.Conv2d],
        shortcut: nn.Module | None,
        norm: Norm,
        gate: Gate | None,
        first: bool,
    ):
        super().__init__()
        before = nn.Sequential(norm(convolutions[0].in_channels), nn.ReLU(inplace=True))
        self.before: nn.Module = nn.Identity() if first else before
        layers: list[nn.Module] = [convolutions[0]]
        for convolution in convolutions[1:]:
            layers += [norm(convolution.in_channels), nn.ReLU(inplace=True), convolution]
        if gate:
            layers.append(gate(convolutions[-1].out_channels))
        self.body, self.shortcut = nn.Sequential(*layers), shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same, or what the block's width and stride make of it."""
        y = self.before(x)
        return self.body(y) + (x if self.shortcut is None else self.shortcut(y))


class ResidualStages(nn.Module):
    """The convolutions of a residual network, from the image to the last feature maps.

    Args:
        channels: C of the images.
        counts: blocks of each stage. widths: of each stage.
        small: a stem of one 3x3 convolution, for images up to 64 pixels; else 7x7 of stride 2 and a max pooling.
        bottleneck: 1x1, 3x3 and 1x1 convolutions, the last to 4 times the width; else two of 3x3.
        groups, group_width: of a bottleneck's 3x3 convolution, `group_width` channels of a group in a stage of width
            64, others in proportion (Xie et al. 2017).
        shortcut: "projection", where the shape changes by a 1x1 convolution (B), or "padded", by `Subsampled` (A).
        stride_in: which convolution of a bottleneck has the stride: "first" as in the paper, "middle" as in
            fb.resnet.torch, which is more accurate and computes more.
        preactivated: norm and ReLU before the convolutions.
        gate, norm: see `Gate` and `Norm`.

    Attributes:
        features: channels of the output.
    """

    def __init__(
        self,
        channels: int,
        counts: Sequence[int],
        widths: Sequence[int],
        *,
        small: bool,
        bottleneck: bool = False,
        groups: int = 1,
        group_width: int = 64,
        shortcut: str = "projection",
        stride_in: str = "middle",
        preactivated: bool = False,
        gate: Gate | None = None,
        norm: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        before = widths[0]
        kernel, stride = (3, 1) if small else (7, 2)
        stem = [_convolution(channels, before, kernel, stride), norm(before), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*stem, *([] if small else [nn.MaxPool2d(3, stride=2, padding=1)]))
        self.stages = nn.Sequential()
        for number, (count, width) in enumerate(zip(counts, widths)):
            stage = nn.Sequential()
            for index in range(count):
                stride = 2 if number and not index else 1
                if bottleneck:
                    inner = width * group_width // 64 * groups
                    body = bottleneck_body(before, inner, EXPANSION * width, stride, groups, stride_in)
                else:
                    body = [_convolution(before, width, 3, stride), _convolution(width, width, 3)]
                after = body[-1].out_channels
                side = _shortcut(before, after, stride, shortcut)
                if preactivated:
                    stage.append(Preactivated(body, side, norm, gate, first=number == index == 0))
                else:
                    stage.append(Residual(body, side, norm, gate))
                before = after
            self.stages.append(stage)
        self.last = nn.Sequential(norm(before), nn.ReLU(inplace=True)) if preactivated else nn.Identity()
        self.features = before
        he_normal(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) floats -> (B, features, h, w)."""
        return self.last(self.stages(self.stem(x)))

    def zero_last_gains(self) -> None:
        """Begin each block as its shortcut: the gain of its last norm is 0 (Goyal et al. 2017, section 5.1)."""
        for module in self.modules():
            if isinstance(module, Residual):
                nn.init.zeros_(module.body[module.last_norm].weight)  # type: ignore[arg-type]


def bottleneck_body(
    before: int, inner: int, after: int, stride: int, groups: int = 1, stride_in: str = "middle"
) -> list[nn.Conv2d]:
    """1x1 to the inner width, 3x3 in groups, 1x1 to the outer width."""
    one, two = (stride, 1) if stride_in == "first" else (1, stride)
    return [
        _convolution(before, inner, 1, one),
        _convolution(inner, inner, 3, two, groups),
        _convolution(inner, after, 1),
    ]


def _shortcut(before: int, after: int, stride: int, kind: str) -> nn.Module | None:
    """None where x itself can be added."""
    if before == after and stride == 1:
        return None
    return Subsampled(after - before, stride) if kind == "padded" else _convolution(before, after, 1, stride)


def _convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Padded so that only the stride makes images smaller; no bias, as a norm follows."""
    return nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)


class KeptNorm(nn.BatchNorm2d):
    """A batch norm that never looks at the batch: its statistics are those that it was given, or 0 and 1.

    An agent acts on few observations and learns from many, whose kind changes as it learns: statistics of the batch
    would make it another agent in each.
    """

    def train(self, mode: bool = True) -> KeptNorm:
        """Stay as in evaluation."""
        return super().train(False)


class ResNetTrunk(nn.Module):
    """A residual network for agents, whose convolutions take a classifier's weights (`neuralcore.vision.resnet`).

    ResNet-18 for images of more than 64 pixels; for others ResNet-20 in the form for small images, with shortcuts
    without weights. Then fully connected layers with a ReLU after each, on all pixels of the last feature maps: where
    something is matters to an agent. Batch norms keep their statistics (`KeptNorm`), and every block begins as its
    shortcut, so that signals keep their size without them. At 4x84x84 with one layer of 256 it has 12,359,552
    parameters.

    Whole numbers are scaled from [0, high] to [0, 1], as pixels are; booleans and floats are taken to be so already.

    Args:
        shape: (C, H, W) or (H, W, C) of one observation, told apart by `image_shape`.
        hidden: widths of the fully connected layers; empty gives the last stage's pixels themselves.
        high: the largest whole number in an image.
        initial: how the first weights are drawn, see `neuralcore.layers.initial`. generator: they come from it.

    Attributes:
        features: width of the output.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        hidden: Sequence[int] = (256,),
        *,
        high: float = 255.0,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.shape, self.pixels = shape, Pixels(high)
        channels, height, width = image_shape(shape)
        small = max(height, width) <= 64
        if small:
            body = ResidualStages(channels, (3, 3, 3), (16, 32, 64), small=True, shortcut="padded", norm=KeptNorm)
        else:
            body = ResidualStages(channels, BASIC[18], (64, 128, 256, 512), small=False, norm=KeptNorm)
        self.stem, self.stages = body.stem, body.stages
        for _ in range(2 if small else 5):
            height, width = (height + 1) // 2, (width + 1) // 2
        widths = [body.features * height * width, *hidden]
        self.features = widths[-1]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(widths)])
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                set_initial(layer, initial, generator)
        body.zero_last_gains()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train()

    def forward(self, observations: torch.Tensor, apply: Apply = rectified) -> torch.Tensor:
        """(B, *shape) -> (B, features); the fully connected layers by `apply`, as only they have a ReLU at once."""
        is_pixels = not (observations.is_floating_point() or observations.dtype == torch.bool)
        x = channels_first(observations, self.shape).to(torch.float32)
        x = self.pixels(x) if is_pixels else self.pixels.normalised(x)
        x = self.stages(self.stem(x)).flatten(1)
        for layer in self.layers:
            x = apply(layer, x)
        return x
