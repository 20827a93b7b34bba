"""What reads the words of a sentence: vectors in, for each step a vector of the step among its neighbours out.

    words          each word by itself
    convolution    windows of words (Kim 2014; windows go beyond the ends, so that each step has one)
    recurrent      both ways (Schuster & Paliwal 1997), an LSTM or another of `make_recurrent`
    transformer    each step sees all (Devlin et al. 2019; blocks norm first, positions are rotary)

Axes: B sentences, T steps, W width of the word vectors, F features of a step.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.errors import UserError, nearest
from neuralcore.layers.dropout import dropped
from neuralcore.sequence.recurrent import make_recurrent
from neuralcore.sequence.transformer import TransformerEncoder


class Words(nn.Module):
    """Each word by itself: F = W.

    Args:
        width: W.
    """

    pooled = "mean"  # how a sentence's vector is made of its steps: fastText's (Joulin et al. 2017)

    def __init__(self, width: int):
        super().__init__()
        self.features = width

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """(B, T, W), as they are."""
        return x


class Convolution(nn.Module):
    """ReLU of kernels over windows of several lengths: Σ_k C (k W + 1) weights.

    Args:
        width: W. windows: k of each kind, words. channels: C of each kind; F = C · kinds.
    """

    pooled = "max"

    def __init__(self, width: int, windows: tuple[int, ...] = (3, 4, 5), channels: int = 100):
        super().__init__()
        self.kernels = nn.ModuleList(nn.Conv1d(width, channels, k) for k in windows)
        self.windows, self.features = tuple(windows), channels * len(windows)

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """(B, T, F): the window of k words at t begins (k - 1) // 2 before it."""
        x = (x * real[..., None]).transpose(1, 2)  # what is beyond the end is 0, however long the batch is
        found = [
            kernel(F.pad(x, ((k - 1) // 2, k // 2))).transpose(1, 2) for kernel, k in zip(self.kernels, self.windows)
        ]
        return F.relu(torch.cat(found, 2))


class Recurrent(nn.Module):
    """Layers that read both ways: F = 2 · hidden.

    Args:
        width: W. kind: of `make_recurrent`. hidden: of each way. layers, dropout: see there.
    """

    pooled = "max"  # Conneau et al. 2017

    def __init__(self, width: int, kind: str = "lstm", hidden: int = 128, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        self.layers = make_recurrent(kind, width, hidden, layers, bidirectional=True, dropout=dropout)
        self.features = 2 * hidden

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """(B, T, F), 0 behind the end."""
        return self.layers(x, lengths=real.sum(1))[0]


class Transformer(nn.Module):
    """Blocks of a `TransformerEncoder`: F = W.

    Args:
        width: W. layers, heads, inner, dropout: see there; inner None: 4 W. layer_drop: share of layers that are
            skipped in training; `pruned` then leaves some out for good.
    """

    pooled = "mean"

    def __init__(
        self,
        width: int,
        layers: int = 4,
        heads: int = 4,
        inner: int | None = None,
        dropout: float = 0.1,
        layer_drop: float = 0.0,
    ):
        super().__init__()
        self.dropout, self.features = dropout, width
        self.blocks = TransformerEncoder(
            width, layers, heads, inner or 4 * width, dropout=dropout, rotary=True, layer_drop=layer_drop
        )

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """(B, T, W)."""
        x = dropped(x * x.shape[2] ** 0.5, self.dropout, self.training)  # word vectors have a length of about 1
        return self.blocks(x, real)


Encoder = Words | Convolution | Recurrent | Transformer
ENCODERS: dict[str, type[Encoder]] = {
    "words": Words,
    "convolution": Convolution,
    "recurrent": Recurrent,
    "transformer": Transformer,
}


def make_encoder(name: str, width: int, settings: dict[str, Any] | None = None) -> Encoder:
    """An encoder of word vectors of W numbers.

    Raises:
        UserError: an unknown name or setting, which the message answers with the nearest, or sizes that do not go
            together.
    """
    if name not in ENCODERS:
        raise UserError(f"unknown model {name!r}: {nearest(name, ENCODERS)}")
    cls, settings = ENCODERS[name], dict(settings or {})
    known = [key for key in inspect.signature(cls).parameters if key != "width"]
    for key in settings:
        if key not in known:
            hint = nearest(key, known) if known else "it has none"
            raise UserError(f"settings: {name} has no {key!r}: {hint}")
    try:
        return cls(width, **settings)
    except (ValueError, TypeError) as error:
        raise UserError(f"settings of {name}: {error}") from None


def pruned(encoder: nn.Module, keep: int) -> None:
    """Leave `keep` of a Transformer's L layers, spread evenly: layer ⌊i L / keep⌋ for each i (Fan et al. 2020,
    "every other", section 3.2.3). What is left is smaller and faster; layers that were dropped in training are missed
    less.

    Raises:
        UserError: it is no Transformer, or has not so many layers.
    """
    if not isinstance(encoder, Transformer):
        raise UserError("only a transformer's layers can be left out")
    blocks = encoder.blocks.blocks
    if not 1 <= keep <= len(blocks):
        raise UserError(f"keep must be from 1 to the {len(blocks)} layers there are, got {keep}")
    encoder.blocks.blocks = nn.ModuleList(blocks[i * len(blocks) // keep] for i in range(keep))
