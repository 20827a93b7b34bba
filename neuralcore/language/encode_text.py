"""The task "encode_text": texts that belong together have vectors near each other.

    loss_i = -log exp(u_i · v_i / t) / Σ_j exp(u_i · v_j / t)

over the batch: the second texts of the other pairs are what is wrong (Henderson et al. 2017, section 4; van den Oord
et al. 2018, eq. 4). Those of the same group are left out of the sum, for they are right as well. u and v are of
length 1, from one encoder: a layer on the mean of its steps, weighted by the softmax of a number that each step says
of itself (Lin et al. 2017, section 2.1, one hop and no hidden layer), for "the" tells less than "theorem".

Axes: B pairs of a batch, N pairs or texts, T tokens, D numbers of a text's vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.checkpoint import write_text
from neuralcore.data.text_pairs import read_pairs
from neuralcore.data.tokens import PAD, SPECIAL, UNKNOWN, Tokens, padded
from neuralcore.data.word_vectors import read_word_vectors
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.language.encode_text_config import EncodeTextConfig
from neuralcore.language.encoders import Encoder, make_encoder
from neuralcore.language.text_model import TextModel, begin_with, start_from, tokens_of
from neuralcore.seeding import seeded_torch
from neuralcore.shape import match_shape

AT_ONCE = 64  # texts of a batch that is only looked at
SHOWN = 24


class EncodeTextModel(TextModel):
    """A `TextModel` with a weighted mean of its steps, whose head gives a vector of length 1: F + 1 weights more.

    It begins with equal weights of steps, and with a head that turns and keeps cosines as far as its shape allows:
    what the word vectors know is not lost.

    Args:
        tokens, width, encoder: see there. dimension: D.
    """

    def __init__(self, tokens: int, width: int, encoder: Encoder, dimension: int):
        super().__init__(tokens, width, encoder, dimension)
        self.weight = nn.Linear(encoder.features, 1)
        for layer in (self.weight, self.head):
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.weight.weight)
        nn.init.orthogonal_(self.head.weight)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(B, D) float32 of ids (B, T) int64."""
        steps = self.encoded(ids)
        weights = self.weight(steps)[..., 0].float().masked_fill(ids == PAD, -torch.inf).softmax(1)
        # Behind the end the weight is 0, and what the encoder left there any number, but a number.
        return F.normalize(self.head((weights[:, None].to(steps.dtype) @ steps)[:, 0]).float(), dim=1)


def network(config: EncodeTextConfig, description: dict[str, Any]) -> EncodeTextModel:
    """The model for a vocabulary that is described."""
    encoder = make_encoder(config.model, config.width, config.settings)
    return EncodeTextModel(len(description["tokens"]["symbols"]), config.width, encoder, config.dimension)


def ranking_loss(
    first: torch.Tensor, second: torch.Tensor, groups: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B,) losses, see above, and (B,) bool, whether a pair's own second text is the nearest.

    Args:
        first, second: (B, D) of length 1. groups: (B,).
    """
    count, dimension = match_shape(first, -1, -1, name="first")
    match_shape(second, count, dimension, name="second")
    match_shape(groups, count, name="groups")
    own = torch.arange(count, device=first.device)
    right_too = (groups[:, None] == groups[None]) & (own[:, None] != own[None])
    logits = (first @ second.T / temperature).masked_fill(right_too, -torch.inf)
    return F.cross_entropy(logits, own, reduction="none"), logits.detach().argmax(1) == own


class Pairs(NamedTuple):
    """A batch: first, second: (B, T) int64 each with its own T. groups: (B,) int64."""

    first: torch.Tensor
    second: torch.Tensor
    groups: torch.Tensor


class EncodeTextTask:
    """See `neuralcore.fitting.task.Task`.

    Attributes:
        splits: "train", and if groups are held out "valid". rows: split -> token numbers of first and second texts.
    """

    score, lower = "mrr", False

    def __init__(self, config: EncodeTextConfig, seed: int = 0):
        self.config = config
        self.splits = read_pairs(config.data, config.valid, seed)
        train = self.splits["train"]
        vectors = read_word_vectors(config.vectors) if config.vectors else None
        if config.start:
            self.tokens = tokens_of(config.start)
        elif vectors is not None:  # their words, the commonest first: the others' would stay as they are drawn
            self.tokens = Tokens(config.unit, [*SPECIAL, *(w for w in vectors[0] if w != "\n")][: config.size])
        else:
            self.tokens = Tokens.learn(dict.fromkeys([*train.first, *train.second]), config.unit, config.size)
        self.rows = {
            split: (cut(self.tokens, pairs.first, config.length), cut(self.tokens, pairs.second, config.length))
            for split, pairs in self.splits.items()
        }
        self.description = {"tokens": self.tokens.description()}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        if config.start:
            start_from(self.model, config.start)
        if vectors is not None:
            begin_with(self.model.words, self.tokens, vectors)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training pairs, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Pairs:
        """Those pairs."""
        first, second = (
            torch.from_numpy(padded([side[row] for row in rows])).to(device) for side in self.rows["train"]
        )
        return Pairs(first, second, torch.from_numpy(self.splits["train"].groups[rows]).to(device))

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Pairs, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean loss of a batch, and the share of pairs whose own second text is the nearest in it."""
        losses, right = ranking_loss(
            self.model(batch.first), self.model(batch.second), batch.groups, self.config.temperature
        )
        return losses.mean(), {"accuracy": right.float().mean()}

    def cosines(self, split: str) -> np.ndarray:
        """(N, N) float32 of first and second texts of a split; -inf where another pair is of the same group."""
        first, second = (encoded(self.model, rows) for rows in self.rows[split])
        groups = self.splits[split].groups
        same = (groups[:, None] == groups[None]) & ~np.eye(len(groups), dtype=bool)
        return np.where(same, np.float32(-np.inf), first @ second.T)

    def evaluate(self, split: str) -> dict[str, float]:
        """Among the second texts of all other groups: how often a pair's own is the nearest, and the mean of 1 / its
        place."""
        if split not in self.splits:
            return {}
        found = self.cosines(split)
        place = (found > np.diag(found)[:, None]).sum(1) + 1
        return {"accuracy": float((place == 1).mean()), "mrr": float((1.0 / place).mean())}

    def draw(self, folder: Path) -> None:
        """A text of what first texts find, the right and the nearest."""
        split = "valid" if "valid" in self.splits else "train"
        pairs, found = self.splits[split], self.cosines(split)[:SHOWN]
        lines = [
            f"{pairs.first[row]}\n  own {found[row, row]:.2f}: {pairs.second[row]}\n"
            f"  nearest {found[row, best]:.2f}: {pairs.second[best]}"
            for row, best in enumerate(found.argmax(1))
        ]
        write_text(folder / "found.txt", "\n\n".join(lines) + "\n")


def cut(tokens: Tokens, texts: Sequence[str], length: int) -> list[list[int]]:
    """The first numbers of the known tokens of texts; `UNKNOWN` of a text without any."""
    return [row[:length] or [UNKNOWN] for row in known(tokens, texts)]


def known(tokens: Tokens, texts: Sequence[str]) -> list[list[int]]:
    """Numbers of the known tokens of texts: of a word that was never seen, nothing is known but that it is none of
    the others."""
    return [[number for number in row if number != UNKNOWN] for row in tokens.encode_all(list(texts))]


@torch.no_grad()
def encoded(model: nn.Module, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """(N, D) float32 of N rows of token numbers, none empty, by a model in evaluation mode; like lengths at once."""
    device = next(model.parameters()).device
    order = np.argsort([len(row) for row in rows], kind="stable")
    found = []
    for start in range(0, len(order), AT_ONCE):
        ids = torch.from_numpy(padded([rows[i] for i in order[start : start + AT_ONCE]]))
        found.append(model(ids.to(device)).cpu().numpy())
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return np.concatenate(found)[back]
