"""Language models: vectors of tokens, a network that reads them, and how likely each token comes next.

Axes: B texts, T steps, W width, V tokens of the vocabulary.

A state is what a model remembers of a text, so that it need not read it again: a recurrent network's own, or the
caches of a Transformer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.dropout import dropped
from neuralcore.sequence.positions import LearnedPositions, sinusoidal
from neuralcore.sequence.recurrent import make_recurrent
from neuralcore.sequence.transformer import TransformerDecoder

State = Any


class TransformerReader(nn.Module):
    """A decoder with positions; sees `context` tokens at most.

    Args:
        width, layers, heads, inner, dropout, layer_drop: see `TransformerDecoder`. context: tokens.
        positions: rotary, learned or sinusoidal.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        inner: int,
        *,
        context: int,
        positions: str = "rotary",
        dropout: float = 0.0,
        layer_drop: float = 0.0,
    ):
        super().__init__()
        self.context, self.width = context, width
        self.decoder = TransformerDecoder(
            width, layers, heads, inner, dropout=dropout, rotary=positions == "rotary", layer_drop=layer_drop
        )
        self.learned = LearnedPositions(context, width) if positions == "learned" else None
        self.waves: torch.Tensor | None
        self.register_buffer(
            "waves", sinusoidal(context, width) if positions == "sinusoidal" else None, persistent=False
        )

    def begin(self, texts: int) -> State:
        """Caches of B texts of which nothing has been read."""
        return self.decoder.empty_cache(texts, self.context)

    def forward(self, x: torch.Tensor, state: State = None) -> tuple[torch.Tensor, State]:
        """(B, T, W) of vectors (B, T, W), and the state, in which the caches are filled further."""
        start = state[0][0].filled if state is not None else 0
        if self.learned is not None:
            x = self.learned(x, start)
        elif self.waves is not None:
            x = x * self.width**0.5 + self.waves[start : start + x.shape[1]].to(x.dtype)
        return self.decoder(x, caches=state), state


class RecurrentReader(nn.Module):
    """Recurrent layers, which read on for ever.

    Args:
        name, width, layers, dropout: see `make_recurrent`.
    """

    context = None

    def __init__(self, name: str, width: int, layers: int, *, dropout: float = 0.0):
        super().__init__()
        self.layers = make_recurrent(name, width, width, layers, dropout=dropout if layers > 1 else 0.0)

    def begin(self, texts: int) -> State:
        """Nothing: a state of zeros."""
        return None

    def forward(self, x: torch.Tensor, state: State = None) -> tuple[torch.Tensor, State]:
        """(B, T, W) of vectors (B, T, W), and the state after the last."""
        return self.layers(x, state)


class LanguageModel(nn.Module):
    """Token vectors, a reader, and an output over the vocabulary.

    Args:
        tokens: V. reader: see above. width: W. dropout: of token vectors and of what the reader gives.
        tied: the output's vectors are the token vectors (Press & Wolf 2017).
        cutoffs: of an adaptive softmax (Grave et al. 2017), whose clusters of rarer tokens have narrower vectors, by
            torch.nn.AdaptiveLogSoftmaxWithLoss; empty: a plain softmax.
    """

    def __init__(
        self,
        tokens: int,
        reader: TransformerReader | RecurrentReader,
        width: int,
        *,
        dropout: float = 0.0,
        tied: bool = True,
        cutoffs: tuple[int, ...] = (),
    ):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.deviation = 0.02 if isinstance(reader, TransformerReader) else 0.1  # of first token vectors
        nn.init.normal_(self.embedding.weight, std=self.deviation)
        self.reader, self.dropout = reader, dropout
        self.output: nn.Linear | None = None
        self.adaptive: nn.AdaptiveLogSoftmaxWithLoss | None = None
        if cutoffs:
            self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(width, tokens, list(cutoffs))
        else:
            self.output = nn.Linear(width, tokens)
            nn.init.normal_(self.output.weight, std=0.02)
            nn.init.zeros_(self.output.bias)
            if tied:
                self.output.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor, state: State = None) -> tuple[torch.Tensor, State]:
        """What it thinks after each token, (B, T, W), and its state after the last.

        Args:
            ids: (B, T) int64. state: what it has read before; None: nothing, and none is kept of a Transformer.
        """
        x = dropped(self.embedding(ids), self.dropout, self.training)
        x, state = self.reader(x, state)
        return dropped(x, self.dropout, self.training), state

    def losses(self, thoughts: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(B, T) -ln p of the tokens (B, T) that came next."""
        flat, wanted = thoughts.flatten(0, 1), targets.flatten()
        if self.adaptive is not None:
            return adaptive_losses(self.adaptive, flat, wanted).view_as(targets)
        assert self.output is not None
        return F.cross_entropy(self.output(flat).float(), wanted, reduction="none").view_as(targets)

    def log_probabilities(self, thoughts: torch.Tensor) -> torch.Tensor:
        """(…, V) ln p of what comes next, of thoughts (…, W)."""
        if self.adaptive is not None:
            return self.adaptive.log_prob(thoughts.flatten(0, -2).float()).unflatten(0, thoughts.shape[:-1])
        assert self.output is not None
        return self.output(thoughts).float().log_softmax(-1)

    def begin(self, texts: int) -> State:
        """The state of B texts of which nothing has been read."""
        return self.reader.begin(texts)


def adaptive_losses(
    adaptive: nn.AdaptiveLogSoftmaxWithLoss, thoughts: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """(N,) -ln p of targets (N,), of thoughts (N, W): what `adaptive` gives itself, but its products in the autocast
    precision, which it refuses.
    """
    first = adaptive.cutoffs[0]
    losses_of_clusters = -adaptive.head(thoughts).float().log_softmax(1)
    # In the head, a rare token is found by its cluster's place, behind those of the common ones.
    cluster = torch.bucketize(targets, torch.tensor(adaptive.cutoffs, device=targets.device), right=True)
    places = torch.where(cluster == 0, targets, first + cluster - 1)
    losses = losses_of_clusters.gather(1, places[:, None]).squeeze(1)
    for number, tail in enumerate(adaptive.tail):
        rows = (cluster == number + 1).nonzero().squeeze(1)
        if len(rows):
            within = F.cross_entropy(
                tail(thoughts[rows]).float(), targets[rows] - adaptive.cutoffs[number], reduction="none"
            )
            losses = losses.index_add(0, rows, within)
    return losses
