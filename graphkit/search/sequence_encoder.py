"""Text as a vector by a sequence encoder: a run of the task "encode_text" of `neuralcore fit`.

A text longer than what the encoder reads at once is cut into passages of that length; the text's vector is the mean
of the first `PASSAGES` of theirs, of length 1. Axes: B texts, D dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neuralcore.errors import UserError

if TYPE_CHECKING:
    from neuralcore.fitting.saved import Fitted

TASK = "encode_text"
PASSAGES = 4
LEAST = 0.25  # of a passage that is counted as one, behind the first


def is_run(path: Path) -> bool:
    """Whether a folder is a finished run of `neuralcore fit`, of whatever task."""
    return (path / "model" / "manifest.json").is_file()


class SequenceEncoder:
    """See `graphkit.search.text_encoder.TextEncoder`; made by `load`.

    Attributes:
        said: what it is, in words.
    """

    def __init__(self, fitted: Fitted):
        from neuralcore.data.tokens import Tokens

        self.fitted, self.length = fitted, fitted.config.length
        self.tokens = Tokens.of(fitted.description["tokens"])
        self.said = f"a sequence encoder ({fitted.config.model}, {self.length} tokens at once)"

    @classmethod
    def load(cls, run: str | Path) -> SequenceEncoder:
        """The encoder of a run, or of what `save` wrote.

        Raises:
            UserError: there is none, or the run is of another task.
        """
        from neuralcore.fitting.saved import load_model

        fitted = load_model(run)
        if fitted.task != TASK:
            raise UserError(f"{run} is a run of task {fitted.task!r}: texts are encoded by one of task {TASK!r}")
        return cls(fitted)

    def unknown(self, text: str) -> list[str]:
        """The words of a text that it does not know, each once, in their order; none of one that knows all bytes."""
        return self.tokens.unknown(" ".join(text.split()))

    def save(self, folder: str | Path) -> Path:
        """Write the encoder into a folder."""
        from neuralcore.fitting.saved import save_model

        save_model(Path(folder), self.fitted.model, TASK, self.fitted.config, self.fitted.description)
        return Path(folder)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(B, D) float32 of length 1; a row of zeros for a text without a known token."""
        from neuralcore.language.encode_text import encoded, known

        pieces, owners = [], []
        for row, ids in enumerate(known(self.tokens, [" ".join(text.split()) for text in texts])):
            for at in range(0, min(len(ids), PASSAGES * self.length), self.length):
                piece = ids[at : at + self.length]
                if not at or len(piece) >= LEAST * self.length:
                    pieces.append(piece)
                    owners.append(row)
        found = np.zeros((len(texts), self.fitted.config.dimension), np.float32)
        if pieces:
            np.add.at(found, owners, encoded(self.fitted.model, pieces))
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-12))
