"""A network that says what an image shows, and looks where it is ("Show, attend and tell", Xu et al. 2015).

The trunk of a classifier makes a map of features; an LSTM looks at its places before each word (soft attention).
Deviations: no gate on what is taken and no second loss on where it looks; the rest as in `attending`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from neuralcore.translation.attending import AttendingDecoder, Known
from neuralcore.vision.normalised import ImageModel


class Captioner(nn.Module):
    """Images (B, C, H, W) and words.

    Args:
        vocabulary: V. image: whose trunk and normalisation are taken. shape: C, H and W of the images. width: W of
            the decoder. dropout: share.

    Attributes:
        places: rows and columns of the map.

    Raises:
        ValueError: the trunk makes no map.
    """

    def __init__(self, vocabulary: int, image: ImageModel, shape: Sequence[int], *, width: int, dropout: float):
        super().__init__()
        self.normalised, self.trunk = image.normalised, image.trunk
        with torch.no_grad():
            seen = self.trunk.eval()(torch.zeros(1, *shape))
        if seen.ndim != 4:
            raise ValueError(
                "its trunk makes no map of features, so there is nowhere to look: take a convolutional one"
            )
        self.places = (int(seen.shape[2]), int(seen.shape[3]))
        self.decoder = AttendingDecoder(vocabulary, width, int(seen.shape[1]), cell="lstm", dropout=dropout)

    @property
    def output(self) -> torch.Tensor:
        """(V, W)."""
        return self.decoder.embedding.weight

    def encoded(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The memory (B, places, features), all of which is real."""
        memory = self.trunk(self.normalised(images)).flatten(2).transpose(1, 2)
        return memory, torch.ones(memory.shape[:2], dtype=torch.bool, device=memory.device)

    def forward(self, images: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(B, T, W) of target (B, T)."""
        return self.decoder(target, *self.encoded(images))[0]

    def attention(self, images: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(B, T, rows, columns): where each word of the target's successor was looked for."""
        return self.decoder(target, *self.encoded(images))[1].unflatten(2, self.places)

    def decoding(self, images: torch.Tensor) -> Known:
        """Captions of any length."""
        return Known(self.decoder, *self.encoded(images))
