"""Attention: each step takes what it needs from others, by weights that sum to 1.

Axes: B examples, H heads, T steps that ask, S steps that are asked, D numbers of a head, W = H D.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.sequence.positions import rotate, turns

SHORT = 2**20  # scores of a head that are written out


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """(B, H, T, D) softmax(q k' / √D) v (Vaswani et al. 2017, eq. 1), by torch's kernel, flash where it has one.

    In bfloat16 on the CPU that kernel takes three times as long as two products do, which are taken for short texts.

    Args:
        q: (B, H, T, D). k, v: (B, H, S, D).
        mask: (B or 1, H or 1, T or 1, S) bool, True where a step may be seen; each step must see one at least.
        causal: the last T of S steps ask, and none sees a later one.
    """
    asking, asked = q.shape[2], k.shape[2]
    on_cpu = q.device.type == "cpu"
    by_products = (
        on_cpu and asking * asked <= SHORT and (q.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu"))
    )
    if causal and asking == 1:
        causal = False
    if causal and (asking != asked or mask is not None or by_products):
        seen = torch.ones(asking, asked, dtype=torch.bool, device=q.device).tril(asked - asking)
        mask, causal = seen if mask is None else mask & seen, False
    if by_products:
        return _by_products(q, k, v, mask)
    return F.scaled_dot_product_attention(q, k, v, mask, 0.0, causal)


def _by_products(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """`attend` in bfloat16; what is hidden is taken away by the product itself."""
    shape, scale = (*q.shape[:3], k.shape[2]), q.shape[3] ** -0.5
    with torch.autocast("cpu", enabled=False):
        q, k, v = (part.bfloat16().flatten(0, 1) for part in (q, k, v))
        if mask is None:
            scores = torch.bmm(q * scale, k.transpose(1, 2))
        else:
            hidden = torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, -torch.inf)
            # All examples and heads hide the same: one sheet for all. Else each has its own.
            alike = mask.dim() == 2 or mask.shape[:2] == (1, 1)
            hidden = (
                hidden.expand(1, 1, *shape[2:])[0].expand(len(q), -1, -1)
                if alike
                else (hidden.expand(shape).flatten(0, 1))
            )
            scores = torch.baddbmm(hidden, q, k.transpose(1, 2), alpha=scale)
        return torch.bmm(scores.softmax(-1), v).unflatten(0, shape[:2])


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
        width: W. heads: H, which divides W. rotary: queries and keys are turned by their positions.

    Attributes:
        read_by_weight: names of layers that are not called, see `neuralcore.layers.int8`.
    """

    read_by_weight: tuple[str, ...] = ()

    def __init__(self, width: int, heads: int, *, rotary: bool = False):
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads, self.rotary = heads, rotary
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
        return self.out(attend(q, k, v, mask, causal=causal).transpose(1, 2).flatten(2))

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
