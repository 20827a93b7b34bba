"""The end-to-end memory network: a question reads a story's sentences in several hops of soft attention.

    m_i = Σ_j l_j · A x_ij + T_A(i),    c_i = Σ_j l_j · C x_ij + T_C(i),    u = Σ_j l_j · B q_j
    p_i = softmax(u · m_i),    o = Σ_i p_i c_i,    u ← u + o, and in the end softmax(W u)

Sukhbaatar et al. 2015, "End-to-end memory networks" (https://arxiv.org/abs/1503.08895), with its position encoding l
(section 4.1), temporal encoding T of how long ago a sentence was, linear start (attention without softmax at first)
and both ways of tying weights. Not taken over: empty memories at random, and the annealing of plain gradient descent.

Axes: B stories of S sentences of L words, K hops, D numbers of a vector, V words; word 0 is padding.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn

from neuralcore.shape import match_shape


class Read(NamedTuple):
    """What was read: logits (B, V) of the answer, and the attention (B, K, S) of each hop."""

    logits: torch.Tensor
    attention: torch.Tensor


def position_weights(words: int, width: int) -> torch.Tensor:
    """(L, D): l_jk = (1 - j/L) - (k/D)(1 - 2j/L) with j and k from 1: what a word counts depends on where it is."""
    j = torch.arange(1, words + 1)[:, None] / words
    k = torch.arange(1, width + 1) / width
    return (1.0 - j) - k * (1.0 - 2.0 * j)


class MemoryNetwork(nn.Module):
    """Answers of one word.

    Args:
        words: V. sentences: S, the longest story's. length: L. width: D. hops: K. tying: "adjacent": a hop's C is the
            next one's A, B the first A, and W the last C; "layerwise": A and C are those of all hops, and between
            them u is multiplied by a matrix. position: sentences by position encoding, else bags of words.
        linear_for: stories seen in training before attention has a softmax; in linear start it is u · m_i itself.
    """

    seen: torch.Tensor
    position_weight: torch.Tensor

    def __init__(
        self,
        words: int,
        sentences: int,
        length: int,
        *,
        width: int = 32,
        hops: int = 3,
        tying: Literal["adjacent", "layerwise"] = "adjacent",
        position: bool = True,
        linear_for: int = 0,
    ):
        super().__init__()
        self.hops, self.tying, self.linear_for = hops, tying, linear_for
        tables = hops + 1 if tying == "adjacent" else 2
        self.tables = nn.ModuleList(nn.Embedding(words, width, padding_idx=0) for _ in range(tables))
        self.times = nn.ParameterList(torch.empty(sentences, width) for _ in range(tables))
        if tying == "layerwise":
            self.ask = nn.Embedding(words, width, padding_idx=0)
            self.between = nn.Linear(width, width, bias=False)
            self.answer = nn.Linear(width, words, bias=False)
        weights = position_weights(length, width) if position else torch.ones(length, width)
        self.register_buffer("position_weight", weights, persistent=False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.0, 0.1)  # the paper's
        for table in self.modules():
            if isinstance(table, nn.Embedding):
                nn.init.zeros_(table.weight[0])

    def forward(self, stories: torch.Tensor, questions: torch.Tensor) -> torch.Tensor:
        """(B, V) logits."""
        return self.read(stories, questions).logits

    def read(self, stories: torch.Tensor, questions: torch.Tensor) -> Read:
        """Logits and attention.

        Args:
            stories: (B, S, L) int64, sentences in their order, empty ones behind. questions: (B, L) int64.
        """
        count, most, _ = match_shape(stories, -1, -1, -1, name="stories")
        match_shape(questions, count, stories.shape[2], name="questions")
        real = stories.ne(0).any(2)
        ago = (real.sum(1, keepdim=True) - 1 - torch.arange(most, device=stories.device)).clamp_min(0)
        is_adjacent = self.tying == "adjacent"
        state = self._meant(self.tables[0] if is_adjacent else self.ask, questions)
        attention = []
        for hop in range(self.hops):
            key, value = (hop, hop + 1) if is_adjacent else (0, 1)
            keys = self._meant(self.tables[key], stories) + self.times[key][ago]
            values = self._meant(self.tables[value], stories) + self.times[value][ago]
            attention.append(self._weights((keys @ state[:, :, None])[:, :, 0], real))
            found = (attention[-1][:, None] @ values)[:, 0]
            state = (state if is_adjacent else self.between(state)) + found
        if self.training:
            self.seen += count
        logits = state @ self.tables[-1].weight.T if is_adjacent else self.answer(state)
        return Read(logits, torch.stack(attention, 1))

    def _meant(self, table: nn.Module, words: torch.Tensor) -> torch.Tensor:
        """(…, D) of words (…, L)."""
        return (table(words) * self.position_weight).sum(-2)

    def _weights(self, scores: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """(B, S) of scores; 0 for what is no sentence."""
        soft = scores.masked_fill(~real, -torch.inf).softmax(1)
        if not self.linear_for:
            return soft
        return torch.where(self.seen < self.linear_for, scores * real, soft)
