"""The task "memory": a story and a question in, a word out. Axes as in `memory_network`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.data.stories import WORDS, L, Stories, said, stories
from neuralcore.fitting.metrics import classification
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.lazy import lazy_import
from neuralcore.memory.memory_config import MemoryConfig
from neuralcore.memory.memory_network import Read
from neuralcore.seeding import seeded_torch

figures = lazy_import("matplotlib.figure", extra="plots")

JUDGED = {"valid": 1_000, "test": 2_000}
AT_ONCE = 1_000
SEEDS = {"train": 0, "valid": 1, "test": 2}  # of the stories: data are the same for every seed of a fit


class Asked(NamedTuple):
    """A batch: stories (B, S, L), questions (B, L) and answers (B,), all int64."""

    stories: torch.Tensor
    questions: torch.Tensor
    answers: torch.Tensor


class MemoryTask:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "accuracy", False

    def __init__(self, config: MemoryConfig, seed: int = 0):
        self.config = config
        hops = 1 if config.data == "one_hop" else 2
        counts = {"train": config.stories, **JUDGED}
        self.splits = {
            split: stories(counts[split], config.sentences, hops, number) for split, number in SEEDS.items()
        }
        self.description: dict[str, Any] = {"words": list(WORDS), "length": L}
        with seeded_torch(seed, "weights"):
            self.model: Any = config.rebuild(self.description)

    @property
    def classes(self) -> int:
        """V: any word may be the answer."""
        return len(WORDS)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training stories, shuffled."""
        return generator.permutation(len(self.splits["train"]))

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Asked:
        """Those stories."""
        return asked(self.splits["train"], rows, device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Asked, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean cross entropy; the share that is answered right."""
        logits = self.model(batch.stories, batch.questions).float()
        right = (logits.detach().argmax(1) == batch.answers).float().mean()
        return F.cross_entropy(logits, batch.answers), {"accuracy": right}

    @torch.no_grad()
    def read(self, split: str, rows: np.ndarray) -> Read:
        """What the network reads in some stories."""
        batch = asked(self.splits[split], rows, next(self.model.parameters()).device)
        return Read(*(found.float().cpu() for found in self.model.read(batch.stories, batch.questions)))

    def evaluate(self, split: str) -> dict[str, float]:
        """Accuracy with its interval, loss and calibration error."""
        held = self.splits[split]
        pieces = np.array_split(np.arange(len(held)), -(-len(held) // AT_ONCE))
        logits = np.concatenate([self.read(split, rows).logits.numpy() for rows in pieces])
        return classification(logits, held.answers)

    def draw(self, folder: Path) -> None:
        """Four test stories, with what each hop attends to."""
        rows = np.flatnonzero(self.splits["test"].lengths >= self.config.sentences - 2)[:4]
        found = self.read("test", rows)
        words = [WORDS[i] for i in found.logits.argmax(1).tolist()]
        attention_picture(self.splits["test"], rows, found.attention.numpy(), words, folder / "attention.png")


def asked(held: Stories, rows: np.ndarray, device: torch.device) -> Asked:
    """Some stories as a batch."""
    parts = held.sentences[rows], held.questions[rows], held.answers[rows]
    return Asked(*(torch.from_numpy(part).to(device) for part in parts))


def attention_picture(held: Stories, rows: np.ndarray, attention: np.ndarray, words: list[str], path: Path) -> None:
    """Stories, sentence by sentence, each hop's attention (R, K, S) a column beside; · marks what answers."""
    count, hops = len(rows), attention.shape[1]
    figure = figures.Figure(figsize=(5.2 * min(count, 2), 3.4 * -(-count // 2)), layout="constrained")
    axes = figure.subplots(-(-count // 2), min(count, 2), squeeze=False).ravel()
    for axis, row, weights, word in zip(axes, rows, attention, words):
        length = int(held.lengths[row])
        axis.imshow(weights[:, :length].T, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        marks = ["· " if i in held.supports[row] else "" for i in range(length)]
        axis.set_yticks(range(length), [mark + line for mark, line in zip(marks, held.text(row))], fontsize=8)
        axis.set_xticks(range(hops), [f"hop {k + 1}" for k in range(hops)], fontsize=8)
        for i in range(length):
            for k in range(hops):
                if weights[k, i] >= 0.05:
                    colour = "white" if weights[k, i] > 0.6 else "black"
                    axis.text(k, i, f"{weights[k, i]:.2f}", ha="center", va="center", fontsize=7, color=colour)
        true = WORDS[held.answers[row]]
        axis.set_title(
            f"{said(held.questions[row])}  {word}" + ("" if word == true else f" (it is {true})"), fontsize=9
        )
    for axis in axes[count:]:
        axis.set_axis_off()
    figure.savefig(path, dpi=120)
