"""Attention: each step takes what it needs from others, by weights that sum to 1.

Axes: B examples, H heads, T steps that ask, S steps that are asked, D numbers of a head, W = H D.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.dropout import dropped
from neuralcore.sequence.positions import rotate, turns

WHOLE = 2**18  # T S up to which all weights are held where a CPU learns


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    causal: bool = False,
    dropout: float = 0.0,
) -> torch.Tensor:
    """(B, H, T, D) softmax(q k' / √D) v (Vaswani et al. 2017, eq. 1), by the flash kernel where torch has one.

    Args:
        q: (B, H, T, D). k, v: (B, H, S, D).
        mask: (B or 1, H or 1, T or 1, S) bool, True where a step may be seen; each step must see one at least.
        causal: the last T of S steps ask, and none sees a later one. dropout: share of weights that are dropped.
    """
    if causal and q.shape[2] != k.shape[2]:
        seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril(k.shape[2] - q.shape[2])
        mask, causal = seen if mask is None else mask & seen, False
    if causal and mask is not None:
        mask, causal = mask & torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril(), False
    is_learning = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    if is_learning and q.device.type == "cpu" and q.shape[2] * k.shape[2] <= WHOLE:
        return _attend_plainly(q, k, v, mask, causal, dropout)
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)


def _attend_plainly(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, causal: bool, dropout: float
) -> torch.Tensor:
    """As the formula says. Torch's gradients on a CPU take 1.3 to 5 times as long, by its flash kernel or without."""
    scores = (q * q.shape[3] ** -0.5) @ k.transpose(2, 3)
    if causal:
        mask = torch.ones(scores.shape[2:], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return dropped(scores.softmax(3), dropout) @ v


class Cache:
    """Keys and values of the steps that a layer has seen, so that a new step costs no more than itself.

    Args:
        examples: B. heads: H. width: D. length: steps that it has room for.

    Attributes:
        filled: steps seen.
    """

    def __init__(self, examples: int, heads: int, width: int, length: int, like: torch.Tensor):
        self.keys = like.new_empty(examples, heads, length, width)
        self.values = torch.empty_like(self.keys)
        self.filled = 0

    def take(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Remember new ones (B, H, T, D); all so far (B, H, S, D)."""
        end = self.filled + keys.shape[2]
        if end > self.keys.shape[2]:
            raise ValueError(f"the cache has room for {self.keys.shape[2]} steps, {end} came")
        self.keys[:, :, self.filled : end] = keys
        self.values[:, :, self.filled : end] = values
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def choose(self, rows: torch.Tensor) -> None:
        """Go on with some examples (B',), in another order or several times, as beams do."""
        filled = self.filled
        self.keys, self.values = self._chosen(self.keys, rows, filled), self._chosen(self.values, rows, filled)

    @staticmethod
    def _chosen(held: torch.Tensor, rows: torch.Tensor, filled: int) -> torch.Tensor:
        found = held.new_empty(len(rows), *held.shape[1:])
        found[:, :, :filled] = held[rows, :, :filled]
        return found


class MultiHeadAttention(nn.Module):
    """H attentions side by side on parts of the width (Vaswani et al. 2017, section 3.2.2): 4 (W² + W) weights.

    Args:
        width: W. heads: H, which divides W. dropout: of weights. rotary: queries and keys are turned
            by their positions.
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0, rotary: bool = False):
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads, self.dropout, self.rotary = heads, dropout, rotary
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        for layer in (self.query_key_value, self.out):
            nn.init.xavier_uniform_(layer.weight, gain=1.0 if layer is self.out else 2**0.5)  # as of W x W each
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: torch.Tensor,
        memory: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
        cache: Cache | None = None,
    ) -> torch.Tensor:
        """(B, T, W).

        Args:
            x: (B, T, W), who asks. memory: (B, S, W), who is asked; None: x itself, and what the cache has of it.
            mask, causal: see `attend`.
            cache: of x's own keys, to which x's are added; of a memory, filled by the first call and read by others.
        """
        q, k, v = self._projected(x, memory, cache)
        drop = self.dropout if self.training else 0.0
        return self.out(attend(q, k, v, mask, causal=causal, dropout=drop).transpose(1, 2).flatten(2))

    def weights(
        self, x: torch.Tensor, memory: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(B, H, T, S): how much of each step is taken, for pictures."""
        q, k, _ = self._projected(x, memory, None)
        scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
        return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)

    def _projected(
        self, x: torch.Tensor, memory: torch.Tensor | None, cache: Cache | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        width = x.shape[2]
        if memory is None:
            q, k, v = map(self._split, self.query_key_value(x).chunk(3, 2))
        else:
            weight, bias = self.query_key_value.weight, self.query_key_value.bias
            q = self._split(F.linear(x, weight[:width], bias[:width]))
            if cache is not None and cache.filled:
                return q, cache.keys[:, :, : cache.filled], cache.values[:, :, : cache.filled]
            k, v = map(self._split, F.linear(memory, weight[width:], bias[width:]).chunk(2, 2))
        if self.rotary and memory is None:
            start = cache.filled if cache is not None else 0
            by = turns(start, x.shape[1], width // self.heads, x.device)
            q, k = rotate(q, by=by), rotate(k, by=by)
        if cache is not None:
            k, v = cache.take(k, v)
        return q, k, v

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, T, D) of (B, T, W)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class AdditiveAttention(nn.Module):
    """v' tanh(W q + U k), softmax over S (Bahdanau et al. 2015, section 3.1): A (Q + K + 1) + A weights.

    Args:
        query_width: Q. key_width: K. width: A, between them.
    """

    def __init__(self, query_width: int, key_width: int, width: int):
        super().__init__()
        self.query = nn.Linear(query_width, width)
        self.key = nn.Linear(key_width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def keys(self, memory: torch.Tensor) -> torch.Tensor:
        """(B, S, A): what does not depend on the query, to be had once."""
        return self.key(memory)

    def forward(
        self,
        query: torch.Tensor,
        memory: torch.Tensor,
        mask: torch.Tensor | None = None,
        keys: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is taken (B, T, K), and the weights (B, T, S).

        Args:
            query: (B, T, Q). memory: (B, S, K). mask: (B, S) bool, True where real. keys: `keys(memory)`.
        """
        keys = self.keys(memory) if keys is None else keys
        scores = self.score(torch.tanh(self.query(query)[:, :, None] + keys[:, None])).squeeze(3).float()
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        weights = scores.softmax(2)
        return weights.to(memory.dtype) @ memory, weights
