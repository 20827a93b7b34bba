"""A network that reads frames one after the other: Donahue et al. 2015, "Long-term recurrent convolutional networks
for visual recognition and description", section 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from neuralcore.vision import make_model


class Recurrent(nn.Module):
    """A 2-D trunk for each frame, a fully connected layer with ReLU on its maps, an LSTM, a linear layer on its last
    state.

    Deviations: the answer is the last state's, where the paper averages those of all frames; one LSTM of `hidden`
    units (the paper's has 256, behind AlexNet's fc6 of 4,096).

    Args:
        classes: K. channels, size: of the frames.
        family: of `neuralcore.vision.MODELS`, whose trunk it takes. inner: its settings, in a file a table
            [settings.inner].
        code: width of the fully connected layer. hidden: of the LSTM's state.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 224,
        family: str = "resnet",
        inner: Mapping[str, Any] | None = None,
        code: int = 128,
        hidden: int = 256,
    ):
        super().__init__()
        flat = make_model(family, classes, channels, size, inner)
        self.trunk = flat.trunk
        self.trunk.eval()  # type: ignore[union-attr]
        with torch.no_grad():
            like = next(self.trunk.parameters())  # type: ignore[union-attr]
            maps = self.trunk(like.new_zeros(1, channels, size, size))  # type: ignore[operator]
        self.trunk.train()  # type: ignore[union-attr]
        self.code = nn.Sequential(nn.Flatten(), nn.Linear(maps.numel(), code), nn.ReLU())
        self.lstm = nn.LSTM(code, hidden, batch_first=True)
        self.head = nn.Linear(hidden, classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, T, C, H, W) -> (B, K)."""
        codes = self.code(self.trunk(clips.flatten(0, 1))).unflatten(0, clips.shape[:2])  # type: ignore[operator]
        states, _ = self.lstm(codes)
        return self.head(states[:, -1])
