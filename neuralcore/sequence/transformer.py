"""Transformer blocks, encoder and decoder. Axes: B examples, T steps, S steps of a memory, W width.

Blocks norm before they act (Xiong et al. 2020): x + attention(norm(x)), then x + feed(norm(x)), a norm at the end.
Dropout is on what each part adds and between the two layers of `feed`, not on the weights of the attention, which
flash kernels do not write down.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.dropout import dropped
from neuralcore.sequence.attention import Cache, MultiHeadAttention


class Feed(nn.Module):
    """Two layers at each step by itself, GELU between them (Vaswani et al. 2017, eq. 2, has ReLU).

    Args:
        width: W. inner: of the layer between. dropout: share.
    """

    def __init__(self, width: int, inner: int, dropout: float):
        super().__init__()
        self.into, self.out, self.dropout = nn.Linear(width, inner), nn.Linear(inner, width), dropout
        for layer in (self.into, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, W)."""
        return self.out(dropped(F.gelu(self.into(x)), self.dropout, self.training))


class Block(nn.Module):
    """Attention among the steps, then where asked to a memory, then a feed: 4 W² + 2 W I weights and small ones,
    another 4 W² for the memory.

    Args:
        width: W. heads: H. inner: I. dropout: share. rotary: see `MultiHeadAttention`. cross: whether there is a
            memory.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        inner: int,
        *,
        dropout: float = 0.0,
        rotary: bool = False,
        cross: bool = False,
    ):
        super().__init__()
        self.dropout = dropout
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads, rotary=rotary)
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.cross = MultiHeadAttention(width, heads) if cross else None
        if self.cross is not None:
            self.cross.read_by_weight = ("query_key_value",)  # its queries are of x, keys and values of the memory
        self.feed_norm = nn.LayerNorm(width)
        self.feed = Feed(width, inner, dropout)

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
        memory: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
        caches: tuple[Cache, Cache | None] | None = None,
    ) -> torch.Tensor:
        """(B, T, W).

        Args:
            mask, memory_mask: (B, 1, 1 or T, T or S) bool, True where a step may be seen.
            caches: of the steps, and of the memory.
        """
        own, theirs = (None, None) if caches is None else caches
        x = x + self._dropped(self.attention(self.norm(x), mask=mask, causal=causal, cache=own))
        if self.cross is not None and self.cross_norm is not None:
            x = x + self._dropped(self.cross(self.cross_norm(x), memory, memory_mask, cache=theirs))
        return x + self._dropped(self.feed(self.feed_norm(x)))

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return dropped(x, self.dropout, self.training)


class TransformerEncoder(nn.Module):
    """Every step sees every real one.

    Args:
        width: W. layers: L. heads: H. inner: I of the feeds. dropout: share. rotary: positions in the attention.
        layer_drop: share of layers that are skipped in training, so that fewer will do later (Fan et al. 2020).
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        inner: int,
        *,
        dropout: float = 0.0,
        rotary: bool = False,
        layer_drop: float = 0.0,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, inner, dropout=dropout, rotary=rotary) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.layer_drop = layer_drop

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(B, T, W) of x (B, T, W); mask (B, T) bool, True where a step is real; none: all are."""
        seen = None if mask is None else mask[:, None, None]
        for block in self.blocks:
            if not (self.training and self.layer_drop and float(torch.rand(())) < self.layer_drop):
                x = block(x, seen)
        return self.norm(x)


class TransformerDecoder(nn.Module):
    """No step sees a later one; with `cross` each sees a memory too.

    Args:
        width, layers, heads, inner, dropout, rotary, layer_drop: as of `TransformerEncoder`. cross: whether
            there is a memory.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        inner: int,
        *,
        dropout: float = 0.0,
        rotary: bool = False,
        layer_drop: float = 0.0,
        cross: bool = False,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width, heads, inner, dropout=dropout, rotary=rotary, cross=cross) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.layer_drop, self.heads, self.width = layer_drop, heads, width

    def empty_cache(self, examples: int, length: int, memory_length: int = 0) -> list[tuple[Cache, Cache | None]]:
        """A cache for each layer, with room for `length` steps of B examples and the steps of a memory."""
        like, each = self.norm.weight, self.width // self.heads
        return [
            (
                Cache(examples, self.heads, each, length, like),
                Cache(examples, self.heads, each, memory_length, like) if memory_length else None,
            )
            for _ in self.blocks
        ]

    def forward(
        self,
        x: torch.Tensor,
        memory: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
        *,
        caches: list[tuple[Cache, Cache | None]] | None = None,
    ) -> torch.Tensor:
        """(B, T, W) of x (B, T, W).

        Args:
            memory: (B, S, W). memory_mask: (B, S) bool, True where a step is real.
            caches: of `empty_cache`: x is what follows the steps that they have seen, and is added to them. What
                comes out is what would come out for all steps at once.
        """
        seen = None if memory_mask is None else memory_mask[:, None, None]
        for number, block in enumerate(self.blocks):
            if self.training and self.layer_drop and float(torch.rand(())) < self.layer_drop:
                continue
            own = None if caches is None else caches[number]
            x = block(x, causal=True, memory=memory, memory_mask=seen, caches=own)
        return self.norm(x)
