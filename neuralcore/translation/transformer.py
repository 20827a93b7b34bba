"""A Transformer that translates ("Attention is all you need", Vaswani et al. 2017).

Deviations: norms come before the parts (Xiong et al. 2020), GELU between the layers of a feed. One matrix is the
embedding of both languages and the output's (section 3.4), of a vocabulary that they share.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.data.tokens import PAD
from neuralcore.layers.dropout import dropped
from neuralcore.sequence.attention import Cache
from neuralcore.sequence.positions import sinusoidal
from neuralcore.sequence.transformer import TransformerDecoder, TransformerEncoder


class TransformerTranslator(nn.Module):
    """See `neuralcore.translation`.

    Args:
        vocabulary: V, of both languages. width: W. layers: of the encoder, and of the decoder. heads: H. inner: of
            the feeds. dropout: share, everywhere.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 256,
        layers: int = 3,
        heads: int = 4,
        inner: int = 512,
        dropout: float = 0.3,
    ):
        super().__init__()
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be from 0 to below 1, got {dropout}")
        self.dropout = dropout
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.encoder = TransformerEncoder(width, layers, heads, inner, dropout=dropout)
        self.decoder = TransformerDecoder(width, layers, heads, inner, dropout=dropout, cross=True)

    @property
    def output(self) -> torch.Tensor:
        """(V, W)."""
        return self.embedding.weight

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(B, T, W) of source (B, S) and target (B, T), padded behind."""
        memory, real = self.encoded(source)
        return self.decoder(self.embedded(target), memory, real)

    def encoded(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The memory (B, S, W), and which of its steps are real (B, S)."""
        real = source != PAD
        return self.encoder(self.embedded(source), real), real

    def embedded(self, tokens: torch.Tensor, start: int = 0) -> torch.Tensor:
        """(B, T, W) of (B, T), the first of which is step `start`."""
        width = self.embedding.embedding_dim
        places = sinusoidal(start + tokens.shape[1], width, tokens.device)[start:].to(self.output.dtype)
        return dropped(self.embedding(tokens) * width**0.5 + places, self.dropout, self.training)

    def decoding(self, source: torch.Tensor, length: int) -> TransformerDecoding:
        """Answers of up to `length` tokens, begin among them."""
        return TransformerDecoding(self, source, length)

    def attention(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(B, T, S): of the last layer's heads the mean, in evaluation mode."""
        memory, real = self.encoded(source)
        x = self.embedded(target)
        blocks: list[Any] = list(self.decoder.blocks)
        *first, last = blocks
        seen = real[:, None, None]
        for block in first:
            x = block(x, causal=True, memory=memory, memory_mask=seen)
        x = x + last.attention(last.norm(x), causal=True)
        return last.cross.weights(last.cross_norm(x), memory, seen).mean(1)


class TransformerDecoding:
    """See `neuralcore.translation.beam.Decoding`: keys and values of what was said are kept."""

    def __init__(self, model: TransformerTranslator, source: torch.Tensor, length: int):
        self.model, self.said = model, 0
        self.memory, self.real = model.encoded(source)
        self.caches: list[tuple[Cache, Cache | None]] = model.decoder.empty_cache(
            len(source), length, source.shape[1]
        )

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """(R, V) of (R,)."""
        x = self.model.embedded(tokens[:, None], self.said)
        hidden = self.model.decoder(x, self.memory, self.real, caches=self.caches)[:, 0]
        self.said += 1
        return F.linear(hidden, self.model.output).float().log_softmax(1)

    def choose(self, rows: torch.Tensor) -> None:
        """Rows of all that is kept."""
        self.real = self.real[rows]  # of the memory, the caches have all that is still asked for
        for own, theirs in self.caches:
            own.choose(rows)
            if theirs is not None:
                theirs.choose(rows)
