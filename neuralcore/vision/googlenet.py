"""GoogLeNet: Szegedy et al. 2015, "Going deeper with convolutions" (arXiv:1409.4842), table 1."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.layers.initial import he_normal
from neuralcore.vision.blocks import SMALL, Parallel, PooledHead

# Each module's channels: 1x1; 3x3 and what it is reduced to before; 5x5 and the same; behind its pooling.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOLED = ("3b", "4e")  # a max pooling follows
AUXILIARY = ("4a", "4d")  # modules that further heads look at


class GoogLeNet(nn.Module):
    """Nine modules of 1x1, 3x3 and 5x5 convolutions side by side, and the mean over pixels.

    For 224x224 pixels and 1,000 classes 6,998,552 parameters and 1.58 G multiply-adds, 13,378,280 parameters with the
    two auxiliary heads. The paper has 1.5 G; torchvision's 6,624,904 parameters are of a network with batch norms and
    with 3x3 in place of the 5x5 kernels.

    Up to 64 pixels the stem is one 3x3 convolution to 192 channels.

    Deviations: first weights as He et al. (2015); auxiliary heads see 4x4 means of any size (at 224 the paper takes
    5x5 pixels every 3); their dropout is 0.7 as in the paper.

    Args:
        classes: K. channels, size: of the images.
        auxiliary: whether there are auxiliary heads; `with_auxiliary` gives what they say, `forward` does not.
        norm: a batch norm after each convolution, which then has no bias (Ioffe & Szegedy 2015); no response norm.
        width: factor of all channels. dropout: before the last layer.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        auxiliary: bool = False,
        norm: bool = False,
        width: float = 1.0,
        dropout: float = 0.4,
    ):
        super().__init__()

        def scaled(full: int) -> int:
            return max(1, round(width * full))

        def layer(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
            one = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=not norm)
            return [one, *([nn.BatchNorm2d(after)] if norm else []), nn.ReLU(inplace=True)]

        def response() -> list[nn.Module]:
            return [] if norm else [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)]

        one, two = scaled(64), scaled(192)
        if size <= SMALL:
            stem = layer(channels, two, 3)
        else:
            stem = [*layer(channels, one, 7, 2), nn.MaxPool2d(3, 2, padding=1), *response()]
            stem += [*layer(one, one, 1), *layer(one, two, 3), *response(), nn.MaxPool2d(3, 2, padding=1)]
        self.trunk = nn.Sequential()
        self.trunk.add_module("stem", nn.Sequential(*stem))
        before, seen = two, {}
        for name, widths in MODULES.items():
            a, b, c, d, e, f = (scaled(w) for w in widths)
            module: nn.Module = Parallel(
                [
                    nn.Sequential(*layer(before, a, 1)),
                    nn.Sequential(*layer(before, b, 1), *layer(b, c, 3)),
                    nn.Sequential(*layer(before, d, 1), *layer(d, e, 5)),
                    nn.Sequential(nn.MaxPool2d(3, 1, padding=1), *layer(before, f, 1)),
                ]
            )
            before = a + c + e + f
            if name in AUXILIARY and auxiliary:
                reduced, hidden = scaled(128), scaled(1024)
                seen[name] = nn.Sequential(
                    *(nn.AdaptiveAvgPool2d(4), *layer(before, reduced, 1), nn.Flatten()),
                    *(nn.Linear(16 * reduced, hidden), nn.ReLU(inplace=True), nn.Dropout(0.7)),
                    nn.Linear(hidden, classes),
                )
            self.trunk.add_module(name, module)
            if name in POOLED:
                self.trunk.add_module(f"pool{name[0]}", nn.MaxPool2d(3, 2, padding=1))
        self.auxiliaries = nn.ModuleDict(seen)
        he_normal(self)
        self.head = PooledHead(before, classes, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, size, size) -> (B, K)."""
        return self.head(self.trunk(images))

    def with_auxiliary(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits (B, K), and those of the auxiliary heads, whose losses count 0.3 each in training."""
        return through(self.trunk, self.head, self.auxiliaries, images)


def through(
    trunk: nn.Sequential, head: nn.Module, auxiliaries: nn.ModuleDict, x: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What the head says, and what each auxiliary head says of the part of the trunk that has its name."""
    said = []
    for name, part in trunk.named_children():
        x = part(x)
        if name in auxiliaries:
            said.append(auxiliaries[name](x))
    return head(x), said
