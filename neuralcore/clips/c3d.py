"""C3D: Tran et al. 2015, "Learning spatiotemporal features with 3D convolutional networks", section 3.3."""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.vision.blocks import SMALL

COUNTS = (1, 1, 2, 2, 2)  # convolutions of a stage
WIDTHS = (64, 128, 256, 512, 512)


class C3D(nn.Module):
    """3x3x3 convolutions, a max pooling after each stage, of 1x2x2 after the first and 2x2x2 after others, two fully
    connected layers with dropout.

    For 16 frames of 112x112 pixels: 78,409,573 parameters with the 101 classes of UCF-101, 38.5 G multiply-adds.

    Up to 64 pixels it has three stages, and instead of the fully connected layers the mean over time and pixels.

    Deviations: first weights as He et al. (2015); the small form has a batch norm after each convolution.

    Args:
        classes: K. channels, size: of the frames. frames: T.
        width: factor of the channels. hidden: units of the fully connected layers; None: 4,096, or none in the small
            form. dropout: before the fully connected layers.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 112,
        frames: int = 16,
        width: float = 1.0,
        hidden: int | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        small = size <= SMALL
        layers: list[nn.Module] = []
        side, time = size, frames
        for stage, (count, full) in enumerate(zip(COUNTS[: 3 if small else 5], WIDTHS)):
            after = max(1, round(width * full))
            for _ in range(count):
                layers.append(nn.Conv3d(channels, after, 3, padding=1, bias=not small))
                layers += [nn.BatchNorm3d(after)] if small else []
                layers.append(nn.ReLU(inplace=True))
                channels = after
            layers.append(nn.MaxPool3d((2 if stage else 1, 2, 2), ceil_mode=True))
            side, time = (side + 1) // 2, (time + 1) // 2 if stage else time
        self.trunk = nn.Sequential(*layers)
        for layer in self.trunk:
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        if small and hidden is None:
            self.head = nn.Sequential(
                nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)
            )
        else:
            units = hidden or 4096
            head: list[nn.Module] = [nn.Flatten()]
            for before in (channels * time * side**2, units):
                head += [nn.Linear(before, units), nn.ReLU(inplace=True), nn.Dropout(dropout)]
            self.head = nn.Sequential(*head, nn.Linear(units, classes))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, T, C, H, W) -> (B, K)."""
        return self.head(self.trunk(clips.transpose(1, 2)))
