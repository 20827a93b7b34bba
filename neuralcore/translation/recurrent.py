"""A recurrent network that translates and looks where it translates from ("Neural machine translation by jointly
learning to align and translate", Bahdanau, Cho & Bengio 2015).

Deviations: the decoder's first state is made of the mean of the encoder's outputs, not of the first one's backward
half; a layer of tanh stands for the maxout before the output; one matrix is the embedding of both languages and the
output's; dropout.
"""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.data.tokens import PAD
from neuralcore.sequence.recurrent import Recurrent
from neuralcore.translation.attending import AttendingDecoder, Known


class RecurrentTranslator(nn.Module):
    """See `neuralcore.translation`.

    Args:
        vocabulary: V, of both languages. width: W of embeddings, states and of each direction of the encoder.
            dropout: share of embeddings, and of what the output is made of.
    """

    def __init__(self, vocabulary: int, *, width: int = 256, dropout: float = 0.3):
        super().__init__()
        self.decoder = AttendingDecoder(vocabulary, width, 2 * width, dropout=dropout)
        self.encoder = Recurrent("gru", width, width, bidirectional=True)

    @property
    def output(self) -> torch.Tensor:
        """(V, W)."""
        return self.decoder.embedding.weight

    def encoded(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The memory (B, S, 2 W), and which of its steps are real (B, S)."""
        real = source != PAD
        memory, _ = self.encoder(self.decoder.embedded(source), lengths=real.sum(1))
        return memory, real

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(B, T, W) of source (B, S) and target (B, T), padded behind."""
        return self.decoder(target, *self.encoded(source))[0]

    def attention(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(B, T, S)."""
        return self.decoder(target, *self.encoded(source))[1]

    def decoding(self, source: torch.Tensor, length: int) -> Known:
        """Answers of any `length`."""
        return Known(self.decoder, *self.encoded(source))
