"""The task "caption": images in, sentences out. Axes: N images, B in a batch, T words, V in the vocabulary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from neuralcore.data.tokens import BEGIN, END, PAD, Tokens, padded
from neuralcore.data.words import terms
from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import device_of
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.seeding import derived_seed, seeded_torch
from neuralcore.sequence.vocabulary_loss import vocabulary_loss
from neuralcore.translation.beam import beam_search
from neuralcore.translation.bleu import bleu, sacrebleu
from neuralcore.translation.caption_config import CaptionConfig
from neuralcore.translation.captioned_folder import captioned_folder
from neuralcore.translation.captioner import Captioner
from neuralcore.translation.captions import Captioned, captioned_shapes
from neuralcore.vision import make_model
from neuralcore.vision.carrying import trunk_of_run
from neuralcore.vision.normalised import ImageModel

AT_ONCE = 100
DRAWN = 6


class Described(NamedTuple):
    """A batch: images (B, 3, size, size) uint8; captions (B, T + 1) int64 between begin and end, padded."""

    images: torch.Tensor
    captions: torch.Tensor


def network(config: CaptionConfig, description: dict[str, Any]) -> Captioner:
    """The network for images and words like those that are described."""
    channels, size, _ = description["shape"]
    vision = make_model(config.model, 2, channels, size, config.settings)
    if not hasattr(vision, "trunk"):
        raise UserError(f"model {config.model} has no trunk to see with: take another")
    image = ImageModel(vision, description["mean"], description["std"])
    words = len(Tokens.of(description["tokens"]))
    try:
        return Captioner(words, image, description["shape"], width=config.width, dropout=config.dropout)
    except ValueError as error:
        raise UserError(f"model {config.model}: {error}") from None


class Captioning:
    """See `neuralcore.fitting.task.Task`.

    Args:
        config: see `CaptionConfig`. seed: of the images and of the first weights.

    Attributes:
        splits: "train", "valid" and "test". tokens: the words of the training captions. classes: V.
    """

    score, lower = "nats", True

    def __init__(self, config: CaptionConfig, seed: int = 0):
        self.config = config
        sacrebleu.__version__  # noqa: B018 - if it is missing, that is told before the fit and not after
        c, self.splits = config, dict[str, Captioned]()
        if c.data == "shapes":
            counts = {"train": c.examples, "valid": c.held, "test": c.held}
            for name, count in counts.items():
                self.splits[name] = captioned_shapes(count, c.size, derived_seed(seed, name))
        else:
            self.splits = captioned_folder(c.data, c.size, c.examples, c.held, seed)
        train = self.splits["train"]
        self.tokens = Tokens.learn(chain.from_iterable(train.captions), c.unit, least=c.least)
        for split in self.splits.values():
            for said in chain.from_iterable(split.captions):
                if len(self.tokens.encode(said)) > c.longest:
                    raise UserError(f"a caption is longer than {c.longest} words, raise longest: {said[:80]!r}")
        self.classes = len(self.tokens)
        pixels = train.images.transpose(1, 0, 2, 3).reshape(3, -1) / 255.0
        self.description: dict[str, Any] = {
            "tokens": self.tokens.description(),
            "shape": list(train.images.shape[1:]),
            "mean": pixels.mean(1).tolist(),
            "std": pixels.std(1).tolist(),
        }
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        if config.trunk_from:
            trunk_of_run(self.model.trunk, self.model.normalised, config.trunk_from)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled; a step learns one caption of each."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Described:
        """Those images, each with one of its captions."""
        return self._batch("train", rows, device, generator)

    def _batch(
        self, split: str, rows: np.ndarray, device: torch.device, generator: torch.Generator | None = None
    ) -> Described:
        """With a generator any caption of each, else the first."""
        there, said = self.splits[split], []
        for row in rows:
            mine = there.captions[row]
            several = generator is not None and len(mine) > 1
            at = int(torch.randint(len(mine), (), generator=generator)) if several else 0
            said.append([BEGIN, *self.tokens.encode(mine[at]), END])
        numbers = padded(said)
        return Described(torch.from_numpy(there.images[rows]).to(device), torch.from_numpy(numbers).to(device))

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Described, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Nats a word, each told after all true ones before it, and the share that is told right."""
        found = self._judged(batch)
        return found.loss, {"nats": found.nats, "accuracy": found.right}

    def _judged(self, batch: Described) -> Any:
        hidden, real = self.model(batch.images, batch.captions[:, :-1]), batch.captions[:, 1:] != PAD
        return vocabulary_loss(hidden[real], self.model.output, batch.captions[:, 1:][real])

    def evaluate(self, split: str) -> dict[str, float]:
        """Nats a word, BLEU, and the share of captions that are said exactly: greedily while it is fitted, by beam
        search of the test images."""
        there, sums, count = self.splits[split], np.zeros(2), 0
        for start in range(0, len(there), AT_ONCE):
            rows = np.arange(start, min(start + AT_ONCE, len(there)))
            batch = self._batch(split, rows, device_of(self.model))
            found, real = self._judged(batch), int((batch.captions[:, 1:] != PAD).sum())
            sums += real * np.array([float(found.nats), float(found.right)])
            count += real
        nats, right = (sums / count).tolist()
        answers = self.described(there.images, self.config.beam if split == "test" else 1)
        wanted = [[self._as_told(said) for said in mine] for mine in there.captions]
        exact = float(np.mean([answer in mine for answer, mine in zip(answers, wanted)]))
        figures = {"nats": nats, "perplexity": math.exp(min(nats, 100.0)), "accuracy": right}
        return figures | {"bleu": bleu(answers, wanted), "exact": exact}

    def _as_told(self, said: str) -> str:
        """A caption as it would be told if all its words were known."""
        return said if self.config.unit == "words" else " ".join(terms(said))

    def described(self, images: np.ndarray, beam: int) -> list[str]:
        """Captions of images (N, 3, size, size) uint8."""
        return described(self.model, self.tokens, images, beam=beam, longest=self.config.longest)

    def draw(self, folder: Path) -> None:
        """Some test images, and where the network looked for each word that it said of them."""
        images = self.splits["test"].images[:DRAWN]
        answers = self.described(images, self.config.beam)
        looked_at(self.model, self.tokens, images, answers, folder / "looking.png")


@torch.no_grad()
def described(model: Captioner, tokens: Tokens, images: np.ndarray, *, beam: int, longest: int) -> list[str]:
    """Captions of images (N, 3, size, size) uint8, of `longest` words at most, by a beam search."""
    found: list[str] = []
    device = device_of(model)
    with torch.autocast(device.type, enabled=False):
        for start in range(0, len(images), AT_ONCE):
            some = torch.from_numpy(images[start : start + AT_ONCE]).to(device)
            limits = torch.full((len(some),), longest, device=device)
            answers = beam_search(model.decoding(some), limits, beam=beam)
            found += [tokens.decode(hypotheses[0].tokens) for hypotheses in answers]
    return found


@torch.no_grad()
def looked_at(model: Captioner, tokens: Tokens, images: np.ndarray, answers: Sequence[str], path: Path) -> None:
    """A picture of where the network looked for each word that it said of images (N, 3, size, size)."""
    from neuralcore.translation.pictures import looking_picture

    rows = [tokens.encode(answer) for answer in answers]
    device = device_of(model)
    target = torch.from_numpy(padded([[BEGIN, *row] for row in rows])).to(device)
    with torch.autocast(device.type, enabled=False):
        places = model.attention(torch.from_numpy(images).to(device), target).float().cpu().numpy()
    words = [[tokens.symbols[number] for number in row] for row in rows]
    looking_picture(images, words, [p[: len(w)] for p, w in zip(places, words)], path)
