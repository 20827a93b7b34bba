"""The task "transcribe": frames to symbols, learned from pairs that say nothing about when. Axes as in `models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuralcore.fitting.image_splits import device_of
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.lazy import lazy_import
from neuralcore.seeding import seeded_torch
from neuralcore.speech.edits import error_rates
from neuralcore.speech.models import CTC
from neuralcore.speech.spoken import BANDS, Spoken, padded, spoken
from neuralcore.speech.transcribe_config import TranscribeConfig

figures = lazy_import("matplotlib.figure", extra="plots")

JUDGED = {"valid": 300, "test": 1_000}
AT_ONCE = 100  # examples of a batch that is only looked at

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # see `Padded`


class Transcribing:
    """See `neuralcore.fitting.task.Task`."""

    score, lower = "error_rate", True

    def __init__(self, config: TranscribeConfig, seed: int = 0):
        self.config = config
        counts = {"train": config.examples, **JUDGED}
        self.splits = {
            name: spoken(count, config.kinds, config.longest, config.noise, number)
            for number, (name, count) in enumerate(counts.items())
        }
        self.description: dict[str, Any] = {"bands": BANDS, "kinds": config.kinds}
        with seeded_torch(seed, "weights"):
            self.model: Any = config.rebuild(self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training examples, shuffled."""
        return generator.permutation(self.config.examples)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Batch:
        """Those examples, with padding behind."""
        return self._some("train", rows, device)

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """-log of the symbols' probability, of an example."""
        return self.model.losses(*batch).mean(), {}

    @torch.no_grad()
    def evaluate(self, split: str) -> dict[str, float]:
        """Error rate by symbols, share of sequences without an error, loss; test examples by the beam as well."""
        device, losses = device_of(self.model), []
        written: dict[int, list[list[int]]] = {1: []}
        if split == "test":
            written[self.config.beam] = []
        for start in range(0, len(self.splits[split]), AT_ONCE):
            rows = np.arange(start, min(start + AT_ONCE, len(self.splits[split])))
            batch = self._some(split, rows, device)
            losses.append(self.model.losses(*batch))
            for beam, into in written.items():
                into.extend(self.model.written(*batch[:2], beam=beam))
        said = [symbols.tolist() for symbols in self.splits[split].symbols]
        found = error_rates(said, written.pop(1)) | {"loss": float(torch.cat(losses).double().mean())}
        for by_beam in written.values():
            found |= {f"beam_{name}": value for name, value in error_rates(said, by_beam).items()}
        return found

    def draw(self, folder: Path) -> None:
        """An example: its bands, and where its symbols were heard, by CTC."""
        frames, lengths, symbols, counts = self._some("test", np.arange(1), device_of(self.model))
        is_ctc = isinstance(self.model, CTC)
        figure = figures.Figure(figsize=(8.0, 4.4 if is_ctc else 2.4), layout="constrained")
        axes = figure.subplots(2 if is_ctc else 1, 1, squeeze=False)[:, 0]
        axes[0].imshow(frames[0].cpu().numpy().T, aspect="auto", cmap="magma", origin="lower")
        said, heard = symbols[0, : counts[0]].tolist(), self.model.written(frames, lengths)[0]
        axes[0].set_title(f"said {' '.join(map(str, said))}; written {' '.join(map(str, heard))}", fontsize=10)
        axes[0].set_ylabel("band", fontsize=8)
        if is_ctc:
            shares = self.model(frames, lengths)[0].exp().cpu().numpy()
            for symbol, line in enumerate(shares.T):
                label = "∅" if symbol == 0 else str(symbol) if symbol in said else None
                style = {"linestyle": "-" if symbol <= 10 else ":"}  # there are ten colours
                if symbol == 0:
                    style = {"color": "#bbbbbb", "linestyle": "--"}
                axes[1].plot(line, label=label, **style)
            axes[1].set_xlim(axes[0].get_xlim())
            axes[1].set_ylabel("probability", fontsize=8)
            axes[1].legend(fontsize=8, frameon=False, ncols=2)
        axes[-1].set_xlabel("frame", fontsize=8)
        figure.savefig(folder / "example.png", dpi=120)

    def _some(self, split: str, rows: np.ndarray, device: torch.device) -> Batch:
        all_of = self.splits[split]
        some = padded(Spoken([all_of.frames[row] for row in rows], [all_of.symbols[row] for row in rows]))
        dtype = next(self.model.parameters()).dtype
        frames, *rest = (torch.from_numpy(part).to(device) for part in some)
        return frames.to(dtype), *rest  # type: ignore[return-value]
