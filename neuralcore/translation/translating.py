"""The task "translate": sentences of one language in, of another out.

Axes: N pairs, B of them in a batch, S and T tokens of source and target, V tokens of the vocabulary.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from neuralcore.data.tokens import BEGIN, END, PAD, Tokens, padded
from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import device_of
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.seeding import seeded_torch
from neuralcore.sequence.vocabulary_loss import vocabulary_loss
from neuralcore.translation import MODELS
from neuralcore.translation.bleu import bleu, sacrebleu
from neuralcore.translation.making import made
from neuralcore.translation.pairs import Pairs, read_pairs, read_two, similar_rows
from neuralcore.translation.translate_config import TranslateConfig
from neuralcore.translation.translator import Translator

AT_ONCE = 64  # pairs of a batch that is only looked at
DRAWN = 40  # test sentences whose translations are shown


class Sentences(NamedTuple):
    """A batch.

    Attributes:
        source: (B, S) int64, its end behind. target: (B, T + 1) int64, between begin and end. Both padded.
    """

    source: torch.Tensor
    target: torch.Tensor


def network(config: TranslateConfig, description: dict[str, Any]) -> Any:
    """The network for a vocabulary."""
    return made(MODELS, config.model, len(Tokens.of(description["tokens"])), config.settings)


class Translating:
    """See `neuralcore.fitting.task.Task`.

    Args:
        config: see `TranslateConfig`. seed: of the first weights.

    Attributes:
        pairs: of "train", and where there are any of "valid" and "test". tokens: learned from the training pairs.
        classes: V.
    """

    score, lower = "nats", True

    def __init__(self, config: TranslateConfig, seed: int = 0):
        self.config = config
        self.pairs = read_pairs(config.data, config.source, config.target, config.test)
        if config.extra:
            self.pairs["train"] = self.pairs["train"].with_more(read_two(*map(Path, config.extra.split(","))))
        if "test" in self.pairs or config.translated:
            sacrebleu.__version__  # noqa: B018 - if it is missing, that is told before the fit and not after
        train = self.pairs["train"]
        self.tokens = Tokens.learn([*train.source, *train.target], config.unit, config.vocabulary)
        self.classes = len(self.tokens)
        numbers = {name: self._numbers(pairs) for name, pairs in self.pairs.items()}
        fits = [max(len(s), len(t)) <= config.longest + 1 for s, t in zip(*numbers["train"])]
        if not any(fits):
            raise UserError(f"no training pair has {config.longest} tokens or less: raise longest")
        kept = tuple([row for row, fit in zip(rows, fits) if fit] for rows in numbers["train"])
        self._numbered = numbers | {"train": kept}
        self._lengths = np.array([[len(s), len(t)] for s, t in zip(*kept)])
        self.description: dict[str, Any] = {
            "tokens": self.tokens.description(),
            "languages": [config.source, config.target],
        }
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def _numbers(self, pairs: Pairs) -> tuple[list[list[int]], ...]:
        """Tokens of sources and of targets, each with its end."""
        both = (self.tokens.encode_all(lines) for lines in (pairs.source, pairs.target))
        return tuple([[*row, END] for row in rows] for rows in both)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """Training pairs, batches of similar lengths."""
        return similar_rows(self._lengths, min(self.config.fit.batch_size, len(self._lengths)), generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Sentences:
        """Those pairs."""
        return self._batch("train", rows, device)

    def _batch(self, split: str, rows: np.ndarray, device: torch.device) -> Sentences:
        sources, targets = self._numbered[split]
        found = padded([sources[row] for row in rows]), padded([[BEGIN, *targets[row]] for row in rows])
        return Sentences(*(torch.from_numpy(array).to(device) for array in found))

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Sentences, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean loss of a batch's target tokens, each told after all true ones before it (teacher forcing); nats
        without smoothing, and the share of tokens that are told right."""
        found = self._judged(batch, self.config.smoothing)
        return found.loss, {"nats": found.nats, "accuracy": found.right}

    def _judged(self, batch: Sentences, smoothing: float) -> Any:
        hidden = self.model(batch.source, batch.target[:, :-1])
        real = batch.target[:, 1:] != PAD
        return vocabulary_loss(hidden[real], self.model.output, batch.target[:, 1:][real], smoothing=smoothing)

    def evaluate(self, split: str) -> dict[str, float]:
        """Nats a token, with their exponential and the share told right; BLEU, of some sentences greedily or of all
        test sentences by beam search, with the share of sentences that are the reference."""
        if split not in self.pairs:
            return {}
        device, sums, count = device_of(self.model), np.zeros(2), 0
        rows = np.argsort([len(row) for row in self._numbered[split][1]], kind="stable")
        for start in range(0, len(rows), AT_ONCE):
            batch = self._batch(split, rows[start : start + AT_ONCE], device)
            found, real = self._judged(batch, 0.0), int((batch.target[:, 1:] != PAD).sum())
            sums += real * np.array([float(found.nats), float(found.right)])
            count += real
        nats, right = (sums / count).tolist()
        figures = {"nats": nats, "perplexity": math.exp(min(nats, 100.0)), "accuracy": right}
        some = len(rows) if split == "test" else min(self.config.translated, len(rows))
        if some:
            answers, references = self.translated(split, some), self.pairs[split].target[:some]
            figures["bleu"] = bleu(answers, references)
            figures["exact"] = float(np.mean([a == b for a, b in zip(answers, references)]))
        return figures

    def translated(self, split: str, count: int) -> list[str]:
        """Translations of a split's first sentences, as its BLEU is judged."""
        beam = self.config.beam if split == "test" else 1
        translator = Translator(self.model, self.tokens, beam=beam, alpha=self.config.alpha)
        return translator.translate(self.pairs[split].source[:count])

    def draw(self, folder: Path) -> None:
        """What each word of a translation takes of the source, and some translations beside their references."""
        from neuralcore.checkpoint import write_text
        from neuralcore.translation.pictures import attention_picture

        split = next(name for name in ("test", "valid", "train") if name in self.pairs)
        pairs, count = self.pairs[split], min(DRAWN, len(self.pairs[split]))
        answers = self.translated(split, count)
        shown = zip(pairs.source, answers, pairs.target)
        write_text(folder / "translations.txt", "\n".join(f"{s}\n  {a}\n  ({t})" for s, a, t in shown) + "\n")
        translator = Translator(self.model, self.tokens, beam=self.config.beam, alpha=self.config.alpha)
        taken = translator.attention(pairs.source[0], answers[0])
        attention_picture(*taken, folder / "attention.png")
