"""The task "sentences": words in, of which kind the sentence is out. Axes as in `text_model`; N sentences.

A student learns from a teacher's odds besides the labels (Hinton et al. 2015, section 2):

    (1 - a) cross-entropy(labels) + a T² KL(softmax(teacher / T) ‖ softmax(student / T))
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
from neuralcore.data.labelled import read_sentences
from neuralcore.data.tokens import PAD, UNKNOWN, Tokens, padded
from neuralcore.data.word_vectors import read_word_vectors
from neuralcore.errors import UserError
from neuralcore.fitting.losses import cross_entropy
from neuralcore.fitting.metrics import classification, confusion
from neuralcore.fitting.pictures import calibration_picture, confusion_picture
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.language.encoders import make_encoder
from neuralcore.language.sentences_config import SentencesConfig
from neuralcore.language.text_model import TextModel, begin_with, start_from, tokens_of, vocabulary
from neuralcore.seeding import seeded_torch

AT_ONCE = 64  # sentences of a batch that is only looked at
WORST = 24


def network(config: SentencesConfig, description: dict[str, Any]) -> TextModel:
    """The model for a vocabulary and classes that are described."""
    encoder = make_encoder(config.model, config.width, config.settings)
    count, classes = len(description["tokens"]["symbols"]), len(description["names"])
    return TextModel(count, config.width, encoder, classes, dropout=config.dropout)


class Batch(NamedTuple):
    """Sentences.

    Attributes:
        ids: (B, T) int64. labels: (B,) int64. odds: (B, K) the teacher's logits, if there is one.
    """

    ids: torch.Tensor
    labels: torch.Tensor
    odds: torch.Tensor | None


class SentencesTask:
    """See `neuralcore.fitting.task.Task`.

    Attributes:
        splits: "train", and where there are any "valid" and "test". rows: split -> N rows of token numbers.
    """

    score, lower = "accuracy", False

    def __init__(self, config: SentencesConfig, seed: int = 0):
        self.config = config
        self.splits = read_sentences(config.data, config.valid, seed)
        train = self.splits["train"]
        vectors = read_word_vectors(config.vectors) if config.vectors else None
        if config.start:
            self.tokens = tokens_of(config.start)
        else:
            self.tokens = vocabulary(list(train.texts), config.unit, config.size, config.least, vectors)
        self.rows = {
            split: encoded(self.tokens, found.texts, config.length, f"{config.data}, {split}")
            for split, found in self.splits.items()
        }
        self.description = {"names": list(train.names), "tokens": self.tokens.description()}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        if vectors is not None:
            begin_with(self.model.words, self.tokens, vectors)
        if config.start:
            self.taken = start_from(self.model, config.start)
        self.odds = self._taught() if config.teacher else None

    def _taught(self) -> torch.Tensor:
        """(N, K) the teacher's logits of the training sentences."""
        from neuralcore.fitting.saved import load_model

        fitted, train = load_model(self.config.teacher), self.splits["train"]
        if fitted.task != "sentences" or fitted.description["names"] != list(train.names):
            raise UserError(f"teacher: {self.config.teacher} tells other kinds apart than {', '.join(train.names)}")
        rows = encoded(Tokens.of(fitted.description["tokens"]), train.texts, self.config.length, self.config.teacher)
        return torch.from_numpy(logits_of(fitted.model, rows))

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training sentences, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Batch:
        """Those sentences, some words of which are made unknown."""
        ids = torch.from_numpy(padded([self.rows["train"][row] for row in rows]))
        if self.config.word_drop:
            gone = torch.rand(ids.shape, generator=generator) < self.config.word_drop
            ids = ids.masked_fill(gone & (ids != PAD), UNKNOWN)
        labels = torch.from_numpy(self.splits["train"].labels[rows])
        odds = None if self.odds is None else self.odds[torch.from_numpy(rows)].to(device)
        return Batch(ids.to(device), labels.to(device), odds)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean loss of a batch, and the share that is told right."""
        logits = self.model(batch.ids).float()
        loss = cross_entropy(logits, batch.labels, smoothing=self.config.smoothing).mean()
        if batch.odds is not None:
            taught = distillation(logits, batch.odds, self.config.temperature).mean()
            loss = (1.0 - self.config.taught) * loss + self.config.taught * taught
        return loss, {"accuracy": (logits.detach().argmax(1) == batch.labels).float().mean()}

    @torch.no_grad()
    def logits(self, split: str) -> np.ndarray:
        """(N, K) float32 of a split, in its order."""
        return logits_of(self.model, self.rows[split])

    def evaluate(self, split: str) -> dict[str, float]:
        """Accuracy with its interval, log loss and calibration error."""
        if split not in self.splits:
            return {}
        return classification(self.logits(split), self.splits[split].labels)

    def draw(self, folder: Path) -> None:
        """Confusion and calibration of the test sentences (else of those held out), and which were told worst."""
        split = next(name for name in ("test", "valid", "train") if name in self.splits)
        found, logits = self.splits[split], self.logits(split).astype(np.float64)
        confusion_picture(
            confusion(found.labels, logits.argmax(1), len(found.names)), found.names, folder / "confusion.png"
        )
        odds = np.exp(logits - logits.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        calibration_picture(odds, found.labels, folder / "calibration.png")
        own = odds[np.arange(len(odds)), found.labels]
        lines = [
            f"{found.names[found.labels[i]]} {own[i]:.3f}  {found.texts[i]}"
            for i in np.argsort(own, kind="stable")[:WORST]
        ]
        write_text(folder / "worst.txt", "\n".join(lines) + "\n")


def distillation(logits: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """(B,) T² KL(softmax(teacher / T) ‖ softmax(logits / T)) of (B, K) and (B, K)."""
    mine, theirs = F.log_softmax(logits / temperature, 1), F.log_softmax(teacher.float() / temperature, 1)
    return temperature**2 * (theirs.exp() * (theirs - mine)).sum(1)


def encoded(tokens: Tokens, texts: Sequence[str], longest: int, where: str) -> list[list[int]]:
    """Token numbers of sentences.

    Raises:
        UserError: one is longer than `longest`.
    """
    rows = tokens.encode_all(list(texts))
    for number, row in enumerate(rows, 1):
        if len(row) > longest:
            raise UserError(
                f"{where}: sentence {number} has {len(row)} tokens, more than length = {longest}: raise it"
            )
    return [row or [UNKNOWN] for row in rows]


@torch.no_grad()
def logits_of(model: nn.Module, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """(N, K) float32 of N rows of token numbers, by a model in evaluation mode; sentences of like lengths at once."""
    device = next(iter(model.state_dict().values())).device
    order = np.argsort([len(row) for row in rows], kind="stable")
    found: np.ndarray | None = None
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        logits = model(torch.from_numpy(padded([rows[i] for i in some])).to(device)).float().cpu().numpy()
        if found is None:
            found = np.empty((len(rows), logits.shape[1]), np.float32)
        found[some] = logits
    assert found is not None
    return found
