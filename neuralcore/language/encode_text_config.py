"""What the task "encode_text" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.language.encode_text import EncodeTextTask


@dataclass(frozen=True)
class EncodeTextConfig:
    """Make vectors of texts: near each other where the texts belong together."""

    data: str
    """a file of group, text and text that belongs to it, a line each, with tabs between; or "things", made here"""
    valid: float = 0.05
    """share of the groups that is held out to judge by"""
    unit: Literal["terms", "words", "bpe", "characters"] = "bpe"
    """what a token is; terms: words in lower case without signs and digits; words: what lies between white space;
    bpe: joined bytes, learned from the texts"""
    size: int | None = 8_000
    """tokens that are known, the commonest; None: all. bpe needs a number"""
    start: str = ""
    """run whose vocabulary, word vectors and encoder it begins with, as of task mask"""
    vectors: str = ""
    """word vectors to begin with, whose words are the vocabulary: a run of `graphkit words`, or a text of vectors;
    unit terms or words"""
    model: Literal["words", "convolution", "recurrent", "transformer"] = "transformer"
    """what reads the words, see docs/language_tasks.md"""
    width: int = 192
    """of word vectors"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the model; in a file, a table [settings]"""
    dimension: int = 192
    """numbers of a text's vector"""
    length: int = 64
    """tokens of a text that are read; what stands behind is left out"""
    temperature: float = 0.05
    """by which cosines are divided"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if not 0.0 <= self.valid < 1.0:
            raise ValueError(f"valid must be from 0 to below 1, got {self.valid}")
        for name in ("width", "dimension", "length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.temperature > 0.0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")
        if self.fit.batch_size < 2:
            raise ValueError("the others of a batch are what is wrong: batch_size must be 2 or more")
        if self.vectors and self.start:
            raise ValueError("start brings word vectors, and vectors would replace them: name one of the two")
        if self.vectors and self.unit not in ("terms", "words"):
            raise ValueError(f"vectors are of words: unit = 'terms' or 'words', not {self.unit!r}")
        if self.unit == "bpe" and self.size is None and not self.start:
            raise ValueError("bpe needs a size, such as 8000")

    def build(self, seed: int) -> EncodeTextTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.language.encode_text import EncodeTextTask

        return EncodeTextTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.language.encode_text import network

        return network(self, description)
