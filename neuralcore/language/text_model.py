"""A network on words: their vectors, an encoder, and a head for each sentence or each step.

Axes: B sentences, T steps, W width, F features of a step, V words, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from neuralcore.data.tokens import PAD, SPECIAL, Tokens
from neuralcore.errors import UserError
from neuralcore.language.encoders import Encoder
from neuralcore.layers.dropout import dropped

OF_WORDS = ("words", "terms")


class TextModel(nn.Module):
    """Logits of a sentence, or with `steps` of each step.

    Args:
        tokens: V. width: W. encoder: see `make_encoder`. classes: K. dropout: of what the head sees.
        steps: whether each step has its own logits.
    """

    def __init__(
        self, tokens: int, width: int, encoder: Encoder, classes: int, *, dropout: float = 0.0, steps: bool = False
    ):
        super().__init__()
        self.words = nn.Embedding(tokens, width, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=width**-0.5)  # of about unit length
        with torch.no_grad():
            self.words.weight[PAD] = 0.0
        self.encoder, self.dropout, self.steps = encoder, dropout, steps
        self.head = nn.Linear(encoder.features, classes)

    def encoded(self, ids: torch.Tensor) -> torch.Tensor:
        """(B, T, F) of ids (B, T) int64; what stands behind the end has no meaning."""
        return self.encoder(self.words(ids), ids != PAD)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits (B, K) of sentences, or (B, T, K) of steps."""
        found = self.encoded(ids)
        if not self.steps:
            found = pool(found, ids != PAD, self.encoder.pooled)
        return self.head(dropped(found, self.dropout, self.training))


def pool(steps: torch.Tensor, real: torch.Tensor, how: str) -> torch.Tensor:
    """(B, F): the mean or the maximum of the real steps of (B, T, F).

    Args:
        real: (B, T) bool, with one True a row at least. how: "mean" or "max".
    """
    if how == "max":
        return steps.masked_fill(~real[..., None], -torch.inf).amax(1)
    there = real[..., None].to(steps.dtype)
    return (steps * there).sum(1) / there.sum(1)


def vocabulary(
    texts: list[str], unit: Any, size: int | None, least: int, vectors: tuple[list[str], np.ndarray] | None
) -> Tokens:
    """The commonest tokens of the texts; with vectors of words then the commonest of those, up to `size`."""
    tokens = Tokens.learn(texts, unit, size, least)
    if vectors is None:
        return tokens
    if unit not in OF_WORDS:
        raise UserError(f"vectors are of words: unit = {' or '.join(map(repr, OF_WORDS))}, not {unit!r}")
    there = set(tokens.symbols)
    more = [word for word in vectors[0] if word not in there]
    room = len(more) if size is None else max(size - len(tokens), 0)
    return Tokens(unit, [*tokens.symbols, *more[:room]])


def begin_with(
    table: nn.Embedding, tokens: Tokens, vectors: tuple[list[str], np.ndarray], deviation: float | None = None
) -> int:
    """Give words that have vectors these, scaled to a mean square of `deviation`², else 1 / W; how many there are.

    Raises:
        UserError: the vectors are of another width, or of none of the words.
    """
    words, matrix = vectors
    width = table.weight.shape[1]
    deviation = width**-0.5 if deviation is None else deviation
    if matrix.shape[1] != width:
        raise UserError(f"vectors: they have {matrix.shape[1]} numbers, the model's width is {width}")
    pairs = [
        (tokens.numbers[word], row)
        for row, word in enumerate(words)
        if tokens.numbers.get(word, -1) >= len(SPECIAL) or (word == "\n" and word in tokens.numbers)
    ]
    if not pairs:
        raise UserError(
            "vectors: none of their words is known here: were they made of text that was cut the same way?"
        )
    at, rows = (np.array(numbers) for numbers in zip(*pairs))
    chosen = matrix[rows]
    scale = deviation * float((chosen.astype(np.float64) ** 2).mean()) ** -0.5
    with torch.no_grad():
        table.weight[torch.from_numpy(at)] = torch.from_numpy(chosen * np.float32(scale)).to(table.weight.device)
    return len(pairs)


def tokens_of(run: str) -> Tokens:
    """The vocabulary of a fitted model of words.

    Raises:
        UserError: there is none.
    """
    from neuralcore.fitting.saved import load_model

    description = load_model(run).description
    if "tokens" not in description:
        raise UserError(f"{run}: it is no model of texts, for it has no vocabulary")
    return Tokens.of(description["tokens"])


def start_from(model: TextModel, run: str) -> list[str]:
    """Take word vectors and encoder of a fitted model where name and shape agree, and the head if all of it does;
    their names.

    Raises:
        UserError: the encoder is another.
    """
    from neuralcore.fitting.saved import load_model

    theirs, mine = load_model(run).model.state_dict(), model.state_dict()
    parts = [name for name in mine if name.startswith(("words.", "encoder."))]
    for name in parts:
        if name not in theirs or theirs[name].shape != mine[name].shape:
            raise UserError(
                f"start: {run} has no {name} of {tuple(mine[name].shape)}: its model, settings or width are others"
            )
    heads = [name for name in mine if name.startswith("head.")]
    if all(name in theirs and theirs[name].shape == mine[name].shape for name in heads):
        parts += heads
    for name in parts:
        mine[name].copy_(theirs[name])
    return parts
