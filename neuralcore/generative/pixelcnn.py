"""Gated PixelCNN: each number of an image given those before it, so that its probability is known exactly.

    p(x) = Π_i p(x_i | x_1 … x_{i-1})

van den Oord et al. 2016, "Conditional image generation with PixelCNN decoders" (https://arxiv.org/abs/1606.05328),
after "Pixel recurrent neural networks" (https://arxiv.org/abs/1601.06759). Deviations: the class is a bias that each
layer learns for both stacks; kernels of 3 (their 5), and no skip connections.

Axes: B images of C x H x W numbers of L levels, K classes.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.fitting.image_splits import device_of
from neuralcore.generative.masked import Above, GatedLayer, Row, channel_of
from neuralcore.shape import match_shape

FIRST = 3  # reach of the first kernels, 7 wide


class PixelCNN(nn.Module):
    """A vertical and a horizontal stack of gated layers, then two 1x1 convolutions to the levels' log-odds.

    For one channel, 256 levels, width 32, 5 layers, and 10 classes: 125,600 weights that count.

    Args:
        channels, size: of the images. levels: L, 2 to 256. width: features of a stack. layers: gated ones.
        reach: of their kernels, pixels to either side. classes: K, where images are made by class; 0: not.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        size: int = 28,
        levels: int = 256,
        width: int = 32,
        layers: int = 5,
        reach: int = 1,
        classes: int = 0,
    ):
        super().__init__()
        if not 2 <= levels <= 256:
            raise ValueError(f"levels must be from 2 to 256, got {levels}")
        if width < channels:
            raise ValueError(f"width {width} leaves some of {channels} channels without features")
        self.channels, self.size, self.levels, self.classes = channels, size, levels, classes
        image, own = torch.arange(channels), channel_of(width, channels)
        self.first_above = Above(channels, width, FIRST)
        self.first_row = Row(image, own, FIRST, strict=True)
        self.layers = nn.ModuleList([GatedLayer(width, channels, reach, classes) for _ in range(layers)])
        out = channel_of(channels * levels, channels)
        self.head = nn.Sequential(nn.ReLU(), Row(own, own, 0), nn.ReLU(), Row(own, out, 0))

    def quantised(self, images: torch.Tensor) -> torch.Tensor:
        """Bytes (B, C, H, W) -> int64 in [0, L)."""
        return images.long() * self.levels // 256

    def shares(self, numbers: torch.Tensor) -> torch.Tensor:
        """Numbers in [0, L) -> floats in [0, 1]."""
        return numbers.float() / (self.levels - 1)

    def above(self, numbers: torch.Tensor, labels: torch.Tensor | None) -> list[torch.Tensor]:
        """What the rows of (B, C, h, W) numbers are given of the rows above, for each layer."""
        x = 2.0 * self.shares(numbers) - 1.0
        v = self.first_above(F.pad(x, (0, 0, 1, 0))[:, :, :-1])  # a row down: none sees itself
        links = []
        for layer in self.layers:
            v, link = layer.above(v, labels)  # type: ignore[operator]
            links.append(link)
        return links

    def along(self, numbers: torch.Tensor, links: list[torch.Tensor]) -> torch.Tensor:
        """(B, C, L, h, W) the levels' log-odds in rows (B, C, h, W), given what is above."""
        h = self.first_row(2.0 * self.shares(numbers) - 1.0)
        for layer, link in zip(self.layers, links):
            h = layer.along(h, link)  # type: ignore[operator]
        return self.head(h).float().unflatten(1, (self.channels, self.levels))

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """(B, C, H, W) bytes, and (B,) classes where there are any -> (B, C, L, H, W) log-odds."""
        match_shape(images, -1, self.channels, self.size, self.size, name="images")
        if (labels is None) != (self.classes == 0):
            raise ValueError(f"a model of {self.classes} classes was given {'no ' if labels is None else ''}labels")
        numbers = self.quantised(images)
        return self.along(numbers, self.above(numbers, labels))

    def bits(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """(B,) bits a number, -log2 p(x) / (C H W), of bytes brought to L levels."""
        logits = self(images, labels)
        nats = F.cross_entropy(logits.transpose(1, 2), self.quantised(images), reduction="none")
        return nats.flatten(1).mean(1) / torch.log(torch.tensor(2.0))

    @torch.no_grad()
    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: torch.Tensor | None = None,
        given: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(count, C, H, W) in [0, 1], number by number.

        What is above is computed once a row, and along the row for that row alone: H passes over half an image and
        C H W over a row, not C H W over all.

        Args:
            labels: (count,) classes; None draws them, where there are any. given: (count, C, h, W) bytes of the
                first rows, that are kept.
        """
        device = device_of(self)
        if self.classes and labels is None:
            labels = torch.randint(self.classes, (count,), generator=generator)
        labels = None if labels is None else labels.to(device)
        numbers = torch.zeros(count, self.channels, self.size, self.size, dtype=torch.int64, device=device)
        begin = 0 if given is None else given.shape[2]
        if given is not None:
            numbers[:, :, :begin] = self.quantised(given.to(device))
        for y in range(begin, self.size):
            links = [link[:, :, y:] for link in self.above(numbers[:, :, : y + 1], labels)]
            row = numbers[:, :, y : y + 1]
            for x in range(self.size):
                for channel in range(self.channels):
                    odds = torch.softmax(self.along(row, links)[:, channel, :, 0, x], 1).cpu()
                    row[:, channel, 0, x] = torch.multinomial(odds, 1, generator=generator)[:, 0].to(device)
        return self.shares(numbers)
