"""QuickNet: a small convolutional network that reaches 90 % of CIFAR-10 in a few passes.

After Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (https://arxiv.org/abs/2404.00498): a first layer
that whitens 2x2 patches and is not trained, three blocks of two convolutions that begin near the identity, and batch
norms that only shift, whose shifts learn 64 times as fast (the preset's `rates`). Deviations: a test image is judged
with its mirror image (`both_sides`), not with moved ones too; weights are averaged by `ema` rather than looked ahead.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neuralcore.shape import match_shape

PATCH = 2  # side of what is whitened


class QuickNet(nn.Module):
    """Whitening, three blocks, maximum over 3x3, a linear layer: 1,971,352 learned weights for CIFAR-10.

    Args:
        classes: K. channels, size: of the images, at least 32 pixels a side. widths: channels of the blocks.
    """

    def __init__(self, classes: int, *, channels: int = 3, size: int = 32, widths: tuple[int, ...] = (64, 256, 256)):
        super().__init__()
        side = (size - PATCH + 1) // 2 ** len(widths)
        if side < 3:
            raise ValueError(f"quick_net needs images of {3 * 2 ** len(widths) + 1} pixels or more, got {size}")
        before = 2 * channels * PATCH**2
        whitening = nn.Conv2d(channels, before, PATCH)
        whitening.weight.requires_grad_(False)
        blocks = []
        for width in widths:
            blocks += [_Convolution(before, width), nn.MaxPool2d(2), _Shift(width), nn.GELU()]
            blocks += [_Convolution(width, width), _Shift(width), nn.GELU()]
            before = width
        self.trunk = nn.Sequential(whitening, nn.GELU(), *blocks)
        self.head = nn.Sequential(nn.MaxPool2d(3), nn.Flatten(), _Ninth(before * (side // 3) ** 2, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))

    @torch.no_grad()
    def begin(self, images: torch.Tensor, epsilon: float = 5e-4) -> None:
        """Make the first layer's weights of the patches of some training images (B, C, H, W), normalised.

        The eigenvectors of their covariance, each divided by the root of its eigenvalue + ε, and their negatives:
        what comes out has variance 1 in every direction that the patches have.
        """
        whitening = self.trunk[0]
        assert isinstance(whitening, nn.Conv2d)
        match_shape(images, -1, whitening.in_channels, -1, -1, name="images")
        patches = nn.functional.unfold(images.float(), PATCH).transpose(1, 2).reshape(-1, whitening.weight[0].numel())
        patches = patches.double() - patches.double().mean(0)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        vectors = (vectors * largest.sign() / (values + epsilon).sqrt()).T.flip(0)  # an eigenvector's sign is free
        both = torch.cat([vectors, -vectors]).float()
        whitening.weight.copy_(both.view_as(whitening.weight))


class _Convolution(nn.Conv2d):
    """3x3, without a bias; the first channels begin as copies of what comes in (Jordan 2024, section 3.2)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        with torch.no_grad():
            nn.init.dirac_(self.weight[: min(inputs, outputs)])


class _Shift(nn.BatchNorm2d):
    """A batch norm whose gain stays 1; its statistics follow the weights closely, as training is short."""

    def __init__(self, width: int):
        super().__init__(width, eps=1e-12, momentum=0.4)
        self.weight.requires_grad_(False)


class _Ninth(nn.Linear):
    """A linear layer whose output is divided by 9: logits begin small, and grow as the learning rate allows."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x) / 9.0
