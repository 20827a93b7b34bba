"""Strided 4x4 convolutions down to a few pixels, and up from them: what autoencoders and DCGAN are made of.

Each layer halves (doubles) the side and doubles (halves) the channels, as in Radford et al. 2016, figure 1
(https://arxiv.org/abs/1511.06434). Axes: B images, C channels, H x W pixels, s x s the smallest side.
"""

from __future__ import annotations

import torch
from torch import nn

LEAST, MOST = 4, 8  # pixels a side of the smallest maps


def sides(size: int) -> list[int]:
    """The sides of the maps from the image down.

    >>> sides(28), sides(64)
    ([28, 14, 7], [64, 32, 16, 8, 4])

    Raises:
        ValueError: it does not halve to a side of 4 to 8.
    """
    found = [size]
    while found[-1] % 2 == 0 and found[-1] // 2 >= LEAST:
        found.append(found[-1] // 2)
    if not LEAST <= found[-1] <= MOST or len(found) == 1:
        raise ValueError(
            f"images of {size} pixels do not halve to {LEAST} to {MOST} a side: bring them to 28, 32 or 64"
        )
    return found


class Down(nn.Sequential):
    """(B, C, size, size) -> (B, features, s, s), a rectifier after each convolution.

    Args:
        channels, size: of the images. width: channels of the first maps.
        norm: batch norms between convolution and rectifier, but for the first. slope: of the rectifier below 0.

    Attributes:
        features: channels of the last maps. side: s.
    """

    def __init__(self, channels: int, size: int, width: int, *, norm: bool = False, slope: float = 0.0):
        layers: list[nn.Module] = []
        at = sides(size)
        for number in range(len(at) - 1):
            after = width * 2**number
            layers.append(nn.Conv2d(channels, after, 4, 2, 1, bias=not norm))
            if norm and number:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(slope, inplace=True))
            channels = after
        super().__init__(*layers)
        self.features, self.side = channels, at[-1]


class Up(nn.Sequential):
    """(B, latent) -> (B, C, size, size), a ReLU after each convolution but the last.

    Args:
        latent: length of the code. channels, size: of the images. width: channels of the last maps before the image.
        norm: batch norms before the rectifiers.
    """

    def __init__(self, latent: int, channels: int, size: int, width: int, *, norm: bool = False):
        at = sides(size)
        after = width * 2 ** (len(at) - 2)
        layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
        layers.append(nn.ConvTranspose2d(latent, after, at[-1], bias=not norm))
        for number in range(len(at) - 1):
            layers += [*([nn.BatchNorm2d(after)] if norm else []), nn.ReLU(inplace=True)]
            before, after = after, after // 2 if number < len(at) - 2 else channels
            layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=not norm))
        super().__init__(*layers)


def keep_sizes(network: nn.Module) -> None:
    """First weights that keep the size of signals through rectifiers (He et al. 2015, eq. 10), biases 0.

    A plain autoencoder needs them: with torch's own, the code has next to no part in what the decoder gives. A
    variational one is better off without: its codes are noise at first.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            inputs = layer.weight[0].numel()
        elif isinstance(layer, nn.ConvTranspose2d):  # an output sees kernel / stride of it in either direction
            whole = layer.stride == (1, 1)  # of one pixel, to all
            inputs = layer.in_channels * (1 if whole else layer.weight[0, 0].numel() // 4)
        else:
            continue
        nn.init.normal_(layer.weight, std=(2.0 / inputs) ** 0.5)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def as_shares(images: torch.Tensor) -> torch.Tensor:
    """Bytes (B, C, H, W) as floats in [0, 1]; floats are taken as they are."""
    return images.float() / 255.0 if images.dtype == torch.uint8 else images


def as_bytes(images: torch.Tensor) -> torch.Tensor:
    """Floats in [0, 1] as bytes, what a file would keep of them."""
    return (images.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
