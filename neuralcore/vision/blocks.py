"""What several families are made of."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

SMALL = 64  # pixels a side up to which networks take the form for small images


def convolution(
    before: int,
    after: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    *,
    groups: int = 1,
    padding: int | None = None,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """A convolution without bias, a batch norm and an activation (None: none).

    It is padded so that only the stride makes images smaller, unless `padding` says otherwise.
    """
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    around = (rows // 2, columns // 2) if padding is None else (padding, padding)
    layers: list[nn.Module] = [
        nn.Conv2d(before, after, (rows, columns), stride, around, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    ]
    if activation is not None:
        layers.append(activation(inplace=True))
    return nn.Sequential(*layers)


def multiple_of(width: float, divisor: int = 8) -> int:
    """The nearest multiple of a divisor, at least one and not below 90 % of the width (Sandler et al.'s code)."""
    nearest = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * width else nearest


class Parallel(nn.ModuleList):
    """Branches of one input, whose channels are put together."""

    def __init__(self, branches: Iterable[nn.Module]):
        super().__init__(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, sum of the branches' channels, h, w)."""
        return torch.cat([branch(x) for branch in self], dim=1)


class PooledHead(nn.Sequential):
    """Feature maps -> their mean over all pixels -> logits.

    Args:
        features: channels of the maps. classes: K. dropout: chance of a feature to be dropped in training.
    """

    def __init__(self, features: int, classes: int, dropout: float = 0.0):
        dropped = [nn.Dropout(dropout)] if dropout else []
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropped, nn.Linear(features, classes))


class ConnectedHead(nn.Sequential):
    """Feature maps -> two fully connected layers with ReLU, each behind dropout -> logits: AlexNet's and VGG's.

    Args:
        inputs: numbers in the maps. hidden: width of both layers. classes: K. dropout: as in training.
    """

    def __init__(self, inputs: int, hidden: int, classes: int, dropout: float):
        layers: list[nn.Module] = [nn.Flatten()]
        for before in (inputs, hidden):
            layers += [nn.Dropout(dropout), nn.Linear(before, hidden), nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Linear(hidden, classes))
