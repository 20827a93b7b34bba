"""The task "language": read a text, and tell each token from those before it. Axes as in `model`.

A Transformer learns from windows of T tokens that begin anywhere. A recurrent network reads B parts of the text side
side by side from their beginnings to their ends, T tokens a step: its state goes on from step to step, the gradient
does not (truncated back-propagation through time, Williams & Peng 1990).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from neuralcore.checkpoint import write_text
from neuralcore.data.corpora import read_corpus
from neuralcore.data.tokens import Tokens
from neuralcore.data.word_vectors import read_word_vectors
from neuralcore.errors import UserError
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.language.choice import Choice
from neuralcore.language.language_config import LanguageConfig
from neuralcore.language.model import LanguageModel, RecurrentReader, State, TransformerReader
from neuralcore.language.sampling import continued
from neuralcore.language.text_model import begin_with
from neuralcore.seeding import seeded_torch
from neuralcore.sequence.recurrent import detached

AT_ONCE = 32  # windows of a batch that is only looked at
STREAMS = 8  # parts that a recurrent network is judged on side by side; each begins knowing nothing


def network(config: LanguageConfig, description: dict[str, Any]) -> LanguageModel:
    """The model for a vocabulary that is described."""
    c, count = config, len(description["tokens"]["symbols"])
    if c.cutoffs and c.cutoffs[-1] >= count:
        raise UserError(f"cutoffs: {c.cutoffs[-1]} is not below the vocabulary's {count:,} tokens")
    reader: TransformerReader | RecurrentReader
    if c.network == "transformer":
        reader = TransformerReader(
            c.width,
            c.layers,
            c.heads,
            c.inner or 4 * c.width,
            context=c.context,
            positions=c.positions,
            dropout=c.dropout,
            layer_drop=c.layer_drop,
        )
    else:
        reader = RecurrentReader(c.network, c.width, c.layers, dropout=c.dropout)
    return LanguageModel(count, reader, c.width, dropout=c.dropout, tied=c.tied, cutoffs=c.cutoffs)


class Read(NamedTuple):
    """A batch.

    Attributes:
        ids, targets: (B, T) int64, tokens and those that come next. begins: whether a pass through the text begins.
    """

    ids: torch.Tensor
    targets: torch.Tensor
    begins: bool


class LanguageTask:
    """See `neuralcore.fitting.task.Task`.

    Attributes:
        tokens: the vocabulary, learned from the training text. ids: split -> (N,) int64. carried: a recurrent
            network's state after the last step.
    """

    score, lower = "loss", True

    def __init__(self, config: LanguageConfig, seed: int = 0):
        self.config = config
        texts = read_corpus(config.data, config.valid)
        self.tokens = Tokens.learn([texts["train"]], config.unit, config.vocabulary)
        self.ids = {split: np.array(self.tokens.encode(text), np.int64) for split, text in texts.items()}
        self.recurrent = config.network != "transformer"
        need = config.context * (min(config.fit.batch_size, STREAMS) if self.recurrent else 1) + 1
        for split, ids in self.ids.items():
            if len(ids) < need:
                raise UserError(
                    f"{config.data}: the {split} text has {len(ids):,} tokens, {need:,} are needed: lower context"
                )
        self.description = {"tokens": self.tokens.description()}
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)
        if config.vectors:
            begin_with(self.model.embedding, self.tokens, read_word_vectors(config.vectors), self.model.deviation)
        self.carried: dict[str, torch.Tensor] = {}

    @property
    def _streams(self) -> int:
        return self.config.fit.batch_size

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """Where windows begin: shuffled; or of the parts that are read side by side, step after step."""
        ids, T = self.ids["train"], self.config.context
        if not self.recurrent:
            start = int(generator.integers(T))
            return start + T * generator.permutation((len(ids) - 1) // T - 1)
        each = (len(ids) - 1) // self._streams
        if each < T:
            raise UserError(
                f"the text's {len(ids):,} tokens are too few for {self._streams} streams of {T}: lower fit.batch_size"
            )
        starts = each * np.arange(self._streams) + T * np.arange(each // T)[:, None]
        return starts.ravel()

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Read:
        """The windows that begin there."""
        window = rows[:, None] + np.arange(self.config.context + 1)
        ids = torch.from_numpy(self.ids["train"][window]).to(device)
        return Read(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), bool(rows[0] == 0))

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Read, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Mean nats a token."""
        state = None
        if self.recurrent and not batch.begins and self.carried:
            state = tuple(self.carried[name] for name in sorted(self.carried))
            if state[0].shape[1] != len(batch.ids):  # other texts than those of the step before
                state = None
        thoughts, after = self.model(batch.ids, state)
        if self.recurrent:
            self.carried = {str(i): part.float() for i, part in enumerate(detached(after))}
        return self.model.losses(thoughts, batch.targets).mean(), {}

    def evaluate(self, split: str) -> dict[str, float]:
        """Nats a token, and the perplexity exp of it; of characters also bits."""
        if split not in self.ids:
            return {}
        device = self.model.embedding.weight.device
        ids = torch.from_numpy(self.ids[split]).to(device)
        total, count = 0.0, 0
        for losses in self._read_on(ids) if self.recurrent else self._windows(ids):
            total, count = total + float(losses.double().sum()), count + losses.numel()
        loss = total / count
        found = {"loss": loss, "perplexity": float(np.exp(min(loss, 700.0)))}
        return found | ({"bits": loss / float(np.log(2.0))} if self.config.unit == "characters" else {})

    def _windows(self, ids: torch.Tensor) -> Any:
        """Losses of windows side by side; the last one is shorter."""
        T = self.config.context
        whole = (len(ids) - 1) // T
        inputs, targets = ids[: whole * T].view(whole, T), ids[1 : whole * T + 1].view(whole, T)
        for start in range(0, whole, AT_ONCE):
            yield self._losses(inputs[start : start + AT_ONCE], targets[start : start + AT_ONCE])[0]
        if whole * T < len(ids) - 1:
            yield self._losses(ids[None, whole * T : -1], ids[None, whole * T + 1 :])[0]

    def _read_on(self, ids: torch.Tensor) -> Any:
        """Losses of parts that are read side by side, each to its end."""
        T, each = 4 * self.config.context, (len(ids) - 1) // STREAMS
        inputs, targets = ids[: each * STREAMS].view(STREAMS, each), ids[1 : each * STREAMS + 1].view(STREAMS, each)
        state = None
        for start in range(0, each, T):
            losses, state = self._losses(inputs[:, start : start + T], targets[:, start : start + T], state)
            yield losses

    def _losses(self, inputs: torch.Tensor, targets: torch.Tensor, state: State = None) -> tuple[torch.Tensor, State]:
        thoughts, state = self.model(inputs, state)
        return self.model.losses(thoughts, targets), state

    def draw(self, folder: Path) -> None:
        """Texts that it writes, from the first words of the text it is judged by."""
        split = "valid" if "valid" in self.ids else "train"
        prompt, found = self.ids[split][:20].tolist(), []
        for temperature in (0.5, 0.8, 1.0):
            made = continued(self.model, prompt, 300, Choice(temperature=temperature), seed=0)
            found.append(f"temperature {temperature}\n\n{self.tokens.decode([*prompt, *made])}\n")
        write_text(folder / "samples.txt", "\n----\n\n".join(found))
