"""A recurrent decoder that looks at a memory before each word, be it of words or of places in an image.

Axes: B answers, T words, S steps of the memory, M its width, W width, V tokens.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.dropout import dropped
from neuralcore.sequence.attention import AdditiveAttention

CELLS: dict[str, type[nn.GRUCell] | type[nn.LSTMCell]] = {"gru": nn.GRUCell, "lstm": nn.LSTMCell}


class AttendingDecoder(nn.Module):
    """For each word: look at the memory, go on, and say what is known (Bahdanau et al. 2015, appendix A.2.2).

    The first state is made of the memory's mean; a layer of tanh stands before the output, whose matrix is that of
    the embedding.

    Args:
        vocabulary: V. width: W, of embeddings and states. memory: M. cell: of the recurrence. dropout: share of
            embeddings, and of what the output is made of.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        memory: int,
        *,
        cell: Literal["gru", "lstm"] = "gru",
        dropout: float = 0.0,
    ):
        super().__init__()
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be from 0 to below 1, got {dropout}")
        self.dropout = dropout
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.first = nn.Linear(memory, (2 if cell == "lstm" else 1) * width)
        self.look = AdditiveAttention(width, memory, width)
        self.cell = CELLS[cell](width + memory, width)
        self.last = nn.Linear(2 * width + memory, width)

    def embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        """(…, W)."""
        return dropped(self.embedding(tokens) * self.embedding.embedding_dim**0.5, self.dropout, self.training)

    def forward(
        self, target: torch.Tensor, memory: torch.Tensor, real: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is known before each next word (B, T, W), and what it was taken of (B, T, S).

        Args:
            target: (B, T) int64. memory: (B, S, M). real: (B, S) bool.
        """
        known, words = Known(self, memory, real), self.embedded(target)
        states, taken, weights = [], [], []
        for t in range(target.shape[1]):
            context, seen = known.advance(words[:, t])
            states.append(known.said)
            taken.append(context)
            weights.append(seen)
        return self.told(torch.stack(states, 1), words, torch.stack(taken, 1)), torch.stack(weights, 1)

    def told(self, state: torch.Tensor, word: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """What is known before the next word (…, W), of the state, the word before and what was taken."""
        return dropped(torch.tanh(self.last(torch.cat([state, word, context], -1))), self.dropout, self.training)


class Known:
    """A memory and the state of a decoder on it; also a `neuralcore.translation.beam.Decoding`."""

    def __init__(self, decoder: AttendingDecoder, memory: torch.Tensor, real: torch.Tensor):
        self.decoder, self.memory, self.real = decoder, memory, real
        mean = memory.masked_fill(~real[:, :, None], 0.0).sum(1) / real.sum(1, keepdim=True)
        self.state = torch.tanh(decoder.first(mean)).chunk(2 if isinstance(decoder.cell, nn.LSTMCell) else 1, 1)
        self.keys = decoder.look.keys(memory)

    @property
    def said(self) -> torch.Tensor:
        """(B, W): the state that words are made of."""
        return self.state[0]

    def advance(self, word: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is taken of the memory (B, M), and its weights (B, S); the state takes that and the word (B, W)."""
        taken, weights = self.decoder.look(self.said[:, None], self.memory, self.real, self.keys)
        inputs = torch.cat([word, taken[:, 0]], 1)
        is_lstm = isinstance(self.decoder.cell, nn.LSTMCell)
        after = self.decoder.cell(inputs, self.state if is_lstm else self.said)
        self.state = after if is_lstm else (after,)
        return taken[:, 0], weights[:, 0]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """(R, V) of (R,)."""
        word = self.decoder.embedded(tokens)
        context, _ = self.advance(word)
        hidden = self.decoder.told(self.said, word, context)
        return F.linear(hidden, self.decoder.embedding.weight).float().log_softmax(1)

    def choose(self, rows: torch.Tensor) -> None:
        """Rows of all that is kept."""
        self.memory, self.real, self.keys = self.memory[rows], self.real[rows], self.keys[rows]
        self.state = tuple(part[rows] for part in self.state)
