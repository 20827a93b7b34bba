"""The task "mask": tell hidden words by those on both sides (BERT, Devlin et al. 2019, section 3.1).

As RoBERTa has it (Liu et al. 2019), words are hidden anew each time they are seen, examples are cut from running
text, and nothing is asked about pairs of sentences. The head is BERT's: a layer, GELU, a norm, and then the word
vectors themselves with a bias for each word.

Axes: B examples, T tokens of each, M of them that are to be told, W width, V words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.checkpoint import write_text
from neuralcore.data.corpora import read_corpus
from neuralcore.data.made_texts import grammar
from neuralcore.data.tokens import MASK, SPECIAL, Tokens
from neuralcore.data.word_vectors import read_word_vectors
from neuralcore.errors import UserError
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.language.encoders import make_encoder
from neuralcore.language.mask_config import MaskConfig
from neuralcore.language.text_model import TextModel, begin_with
from neuralcore.seeding import seeded_torch

AT_ONCE = 64  # examples of a batch that is only looked at
HIDDEN, EXCHANGED = 0.8, 0.1  # of the tokens that are to be told; the rest stay
SHOWN = 12  # words in the picture of what it tells


class MaskModel(TextModel):
    """A `TextModel` whose logits are of words, by the word vectors.

    Args:
        tokens: V. width: W. encoder: see `make_encoder`.
    """

    read_by_weight = ("words",)

    def __init__(self, tokens: int, width: int, encoder: Any):
        super().__init__(tokens, width, encoder, width, steps=True)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(tokens))

    def forward(self, ids: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (M, V) of the steps `at` (B, T) bool, in their order, or (B, T, V) of all."""
        found = self.encoded(ids)
        thoughts = self.norm(F.gelu(self.head(found if at is None else found[at])))
        return F.linear(thoughts, self.words.weight, self.bias)


def network(config: MaskConfig, description: dict[str, Any]) -> MaskModel:
    """The model for a vocabulary that is described."""
    encoder = make_encoder(config.model, config.width, config.settings)
    return MaskModel(len(description["tokens"]["symbols"]), config.width, encoder)


class Masked(NamedTuple):
    """A batch.

    Attributes:
        ids: (B, T) int64, what is seen. at: (B, T) bool, True where there is something to tell.
        targets: (M,) int64, what stood there.
    """

    ids: torch.Tensor
    at: torch.Tensor
    targets: torch.Tensor


def masked(ids: torch.Tensor, share: float, tokens: int, generator: torch.Generator) -> Masked:
    """Choose, hide and exchange; one token at least is chosen.

    Args:
        ids: (B, T) int64. share: of the tokens that are no special ones. tokens: V.
    """
    draw = torch.rand(ids.shape, generator=generator)
    real = ids >= len(SPECIAL)
    at = (draw < share) & real
    if not bool(at.any()):
        at = torch.zeros_like(real).view(-1).index_fill_(0, draw.masked_fill(~real, 2.0).argmin()[None], True)
        at = at.view(ids.shape)
    how = torch.rand(ids.shape, generator=generator)
    others = torch.randint(len(SPECIAL), tokens, ids.shape, generator=generator)
    seen = torch.where(at & (how < HIDDEN), MASK, ids)
    seen = torch.where(at & (how >= HIDDEN) & (how < HIDDEN + EXCHANGED), others, seen)
    return Masked(seen, at, ids[at])


class MaskTask:
    """See `neuralcore.fitting.task.Task`.

    Attributes:
        tokens: the vocabulary, learned from the training text. blocks: split -> (N, T) int64.
    """

    score, lower = "loss", True

    def __init__(self, config: MaskConfig, seed: int = 0):
        self.config = config
        texts = grammar() if config.data == "grammar" else read_corpus(config.data, config.valid)
        self.tokens = Tokens.learn([texts["train"]], config.unit, config.size)
        self.blocks: dict[str, np.ndarray] = {}
        for split, text in texts.items():
            ids = np.array(self.tokens.encode(text), np.int64)
            count = len(ids) // config.length
            if not count:
                raise UserError(
                    f"{config.data}: the {split} text has {len(ids):,} tokens, an example {config.length}: "
                    "lower length"
                )
            self.blocks[split] = ids[: count * config.length].reshape(count, config.length)
        self.description = {"tokens": self.tokens.description()}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        if config.vectors:
            begin_with(self.model.words, self.tokens, read_word_vectors(config.vectors))

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training examples, shuffled."""
        return generator.permutation(len(self.blocks["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Masked:
        """Those examples, with other words hidden each time."""
        ids = torch.from_numpy(self.blocks["train"][rows])
        return Masked(*(part.to(device) for part in masked(ids, self.config.share, len(self.tokens), generator)))

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Masked, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Mean nats of a word that is to be told, and the share that is told right."""
        logits = self.model(batch.ids, batch.at).float()
        right = (logits.detach().argmax(1) == batch.targets).float().mean()
        return F.cross_entropy(logits, batch.targets), {"accuracy": right}

    def evaluate(self, split: str) -> dict[str, float]:
        """Nats a hidden word, the perplexity exp of it, and the share that is told right; the same words are hidden
        each time."""
        if split not in self.blocks:
            return {}
        device = self.model.bias.device
        generator = torch.Generator().manual_seed(0)
        total, right, count = 0.0, 0, 0
        for start in range(0, len(self.blocks[split]), AT_ONCE):
            ids = torch.from_numpy(self.blocks[split][start : start + AT_ONCE])
            batch = masked(ids, self.config.share, len(self.tokens), generator)
            logits, targets = self.model(batch.ids.to(device), batch.at.to(device)).float(), batch.targets.to(device)
            total += float(F.cross_entropy(logits, targets, reduction="sum"))
            right, count = right + int((logits.argmax(1) == targets).sum()), count + len(targets)
        loss = total / count
        return {"loss": loss, "perplexity": float(np.exp(loss)), "accuracy": right / count}

    def draw(self, folder: Path) -> None:
        """A text of what it tells of hidden words, each with the three that it holds likeliest."""
        split = next(name for name in ("test", "valid", "train") if name in self.blocks)
        ids = torch.from_numpy(self.blocks[split][:SHOWN])
        batch = masked(ids, self.config.share, len(self.tokens), torch.Generator().manual_seed(0))
        device = self.model.bias.device
        best = self.model(batch.ids.to(device), batch.at.to(device)).float().topk(min(3, len(self.tokens))).indices
        told = iter([[self.tokens.symbols[i] for i in row] for row in best.tolist()])
        lines = []
        for row, chosen in zip(ids.tolist(), batch.at.tolist()):
            words = [self.tokens.symbols[i] for i in row]
            lines.append(" ".join(f"[{w}: {', '.join(next(told))}]" if c else w for w, c in zip(words, chosen)))
        write_text(folder / "told.txt", "\n\n".join(lines) + "\n")
