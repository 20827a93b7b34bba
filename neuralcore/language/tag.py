"""The task "tag": words in, what each is out (Collobert et al. 2011, without the search over paths of tags).

Axes as in `text_model`; N sentences, K tags.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.checkpoint import write_text
from neuralcore.data.labelled import read_tagged
from neuralcore.data.tokens import PAD, UNKNOWN, padded
from neuralcore.data.word_vectors import read_word_vectors
from neuralcore.errors import UserError
from neuralcore.fitting.metrics import proportion
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.language.encoders import make_encoder
from neuralcore.language.tag_config import TagConfig
from neuralcore.language.text_model import TextModel, begin_with, start_from, tokens_of, vocabulary
from neuralcore.seeding import seeded_torch

AT_ONCE = 64  # sentences of a batch that is only looked at
NONE = -100  # the tag of padding and of words whose tag no training sentence has: torch's cross-entropy skips it
SHOWN = 40  # confusions in the list of the commonest


def network(config: TagConfig, description: dict[str, Any]) -> TextModel:
    """The model for a vocabulary and tags that are described."""
    encoder = make_encoder(config.model, config.width, config.settings)
    count, tags = len(description["tokens"]["symbols"]), len(description["names"])
    return TextModel(count, config.width, encoder, tags, dropout=config.dropout, steps=True)


class Batch(NamedTuple):
    """Sentences.

    Attributes:
        ids: (B, T) int64. tags: (B, T) int64, `NONE` behind the end.
    """

    ids: torch.Tensor
    tags: torch.Tensor


class TagTask:
    """See `neuralcore.fitting.task.Task`.

    Attributes:
        names: of the K tags. rows, tags: split -> N rows of the words' numbers, and of their tags'.
        known: split -> N rows, whether the training sentences have the word.
    """

    score, lower = "accuracy", False

    def __init__(self, config: TagConfig, seed: int = 0):
        self.config = config
        splits = {split: found for split, found in read_tagged(config.data).items() if found}
        vectors = read_word_vectors(config.vectors) if config.vectors else None
        texts = [" ".join(words) for words, _ in splits["train"]]
        self.tokens = (
            tokens_of(config.start)
            if config.start
            else vocabulary(texts, "words", config.size, config.least, vectors)
        )
        if self.tokens.unit != "words":
            raise UserError(f"start: {config.start} has {self.tokens.unit} for tokens, and tags are of words")
        self.names = sorted({tag for _, tags in splits["train"] for tag in tags})
        numbers, seen = (
            {tag: n for n, tag in enumerate(self.names)},
            {w for words, _ in splits["train"] for w in words},
        )
        self.rows, self.tags, self.known = {}, {}, {}
        for split, found in splits.items():
            longest = max(len(words) for words, _ in found)
            if longest > config.length:
                raise UserError(
                    f"{config.data}: a {split} sentence has {longest} words, "
                    f"more than length = {config.length}: raise it"
                )
            find = self.tokens.numbers.get
            self.rows[split] = [[find(word, UNKNOWN) for word in words] for words, _ in found]
            self.tags[split] = [[numbers.get(tag, NONE) for tag in tags] for _, tags in found]
            self.known[split] = np.array([word in seen for words, _ in found for word in words])
        self.description = {"names": self.names, "tokens": self.tokens.description()}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        if vectors is not None:
            begin_with(self.model.words, self.tokens, vectors)
        if config.start:
            start_from(self.model, config.start)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training sentences, shuffled."""
        return generator.permutation(len(self.rows["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Batch:
        """Those sentences, some words of which are made unknown."""
        ids = torch.from_numpy(padded([self.rows["train"][row] for row in rows]))
        tags = _tags([self.tags["train"][row] for row in rows], ids.shape[1])
        if self.config.word_drop:
            gone = torch.rand(ids.shape, generator=generator) < self.config.word_drop
            ids = ids.masked_fill(gone & (ids != PAD), UNKNOWN)
        return Batch(ids.to(device), tags.to(device))

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean loss of a word, and the share that is told right."""
        logits = self.model(batch.ids).float()
        real = batch.tags != NONE
        right = ((logits.detach().argmax(2) == batch.tags) & real).sum() / real.sum()
        return F.cross_entropy(logits.flatten(0, 1), batch.tags.flatten(), ignore_index=NONE), {"accuracy": right}

    def told(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Tags as they are and as they are told, (M,) int64 of all words of a split, in their order."""
        device, rows = self.model.head.weight.device, self.rows[split]
        said: list[np.ndarray] = [np.empty(0, np.int64)] * len(rows)
        order = np.argsort([len(row) for row in rows], kind="stable")
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            best = self.model(torch.from_numpy(padded([rows[i] for i in some])).to(device)).argmax(2).cpu().numpy()
            for i, row in zip(some, best):
                said[i] = row[: len(rows[i])]
        return np.concatenate([np.array(tags, np.int64) for tags in self.tags[split]]), np.concatenate(said)

    def evaluate(self, split: str) -> dict[str, float]:
        """The share of words whose tag is told, with its interval; of words that were not learned from, and of
        sentences without a fault."""
        if split not in self.rows:
            return {}
        tags, said = self.told(split)
        right = tags == said
        found = proportion(int(right.sum()), len(right))
        figures = {"accuracy": found.value, "accuracy_low": found.low, "accuracy_high": found.high}
        new = ~self.known[split]
        if new.any():
            figures["new_words"] = float(right[new].mean())
        ends = np.cumsum([len(row) for row in self.rows[split]])[:-1]
        figures["sentences"] = float(np.mean([piece.all() for piece in np.split(right, ends)]))
        return figures

    def draw(self, folder: Path) -> None:
        """A list of the commonest confusions."""
        split = next(name for name in ("test", "valid", "train") if name in self.rows)
        tags, said = self.told(split)
        wrong = (tags != said) & (tags != NONE)
        pairs, counts = np.unique(np.stack([tags[wrong], said[wrong]]), axis=1, return_counts=True)
        lines = [
            f"{counts[i]:6d}  {self.names[pairs[0, i]]} taken for {self.names[pairs[1, i]]}"
            for i in np.argsort(-counts, kind="stable")[:SHOWN]
        ]
        write_text(folder / "confusions.txt", "\n".join(lines) + "\n")


def _tags(rows: list[list[int]], length: int) -> torch.Tensor:
    found = torch.full((len(rows), length), NONE)
    for row, tags in zip(found, rows):
        row[: len(tags)] = torch.tensor(tags)
    return found
