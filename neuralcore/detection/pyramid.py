"""A residual network and its feature pyramid: maps at every scale that know what the coarse ones know.

Lin et al. 2017, "Feature pyramid networks for object detection" (https://arxiv.org/abs/1612.03144).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.vision.resnet import stages_of

SMALL = 128  # pixels of the longer side up to which the stem halves nothing


class FeaturePyramid(nn.Module):
    """The stages of a ResNet, and from the top down the sums of 1x1 convolutions of them, smoothed by 3x3 ones.

    Level l has a position for every 4 · 2^l pixels along an axis; for images of up to 128 pixels, whose stem halves
    nothing, for every 2^l. Levels beyond the last stage are every second position of the one before, or convolutions
    of stride 2 of it, RetinaNet's P6 and P7.

    Args:
        channels, size: of the images. depth, widths: of the ResNet, see `neuralcore.vision.resnet`.
        features: channels of every level. first: the finest level, of those of the stages counted from 0.
        levels: how many.
        convolved: whether those beyond the stages are convolutions.

    Attributes:
        strides: pixels of the image for one of each level's.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        depth: int,
        widths: Sequence[int],
        features: int,
        first: int,
        levels: int,
        convolved: bool = True,
    ):
        super().__init__()
        if not (levels >= 1 and 0 <= first < len(widths)):
            raise ValueError(
                f"a pyramid of {levels} levels from stage {first} of {len(widths)} has nothing to stand on"
            )
        self.body = stages_of(channels, depth, small=size <= SMALL, widths=widths)
        stages = list(self.body.stages)
        self.first, self.inner = first, min(levels, len(stages) - first)
        self.body.stages = nn.Sequential(*stages[: first + self.inner])  # what no level needs is not computed
        whole = [stage[-1].body[stage[-1].last_norm].num_features for stage in stages]  # type: ignore[index]
        used = whole[first : first + self.inner]
        self.across = nn.ModuleList([nn.Conv2d(width, features, 1) for width in used])
        self.smooth = nn.ModuleList([nn.Conv2d(features, features, 3, padding=1) for _ in used])
        beyond = [nn.Conv2d(features, features, 3, stride=2, padding=1) for _ in range(levels - self.inner)]
        self.beyond = nn.ModuleList(beyond if convolved else [nn.MaxPool2d(1, stride=2) for _ in beyond])
        for layer in (*self.across, *self.smooth, *(beyond if convolved else ())):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        start = 1 if size <= SMALL else 4
        self.strides = [start * 2 ** (first + level) for level in range(levels)]

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W), sides multiples of the last stage's stride -> (B, features, h, w) of each level."""
        x, sides = self.body.stem(images), []
        for stage in self.body.stages:
            x = stage(x)
            sides.append(x)
        top: torch.Tensor | None = None
        found: list[torch.Tensor] = []
        for across, smooth, side in reversed(list(zip(self.across, self.smooth, sides[self.first :], strict=True))):
            own = across(side)
            top = own if top is None else own + F.interpolate(top, own.shape[2:], mode="nearest")
            found.insert(0, smooth(top))
        for number, layer in enumerate(self.beyond):
            found.append(layer(F.relu(found[-1]) if number and isinstance(layer, nn.Conv2d) else found[-1]))
        return found


def padded_to(images: torch.Tensor, multiple: int) -> torch.Tensor:
    """(B, C, H, W) with zeros below and at the right, so that sides are multiples; normalised, zero is the mean."""
    height, width = images.shape[2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))
