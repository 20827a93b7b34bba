"""What the task "tag" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.language.tag import TagTask


@dataclass(frozen=True)
class TagConfig:
    """Tell what each word of a sentence is, as its part of speech."""

    data: str
    """the Brown corpus, texts of word/tag in an archive; or "grammar", made here"""
    size: int | None = None
    """words that are known: the commonest of the training sentences, then of `vectors`; None: all"""
    least: int = 1
    """times that a word must be in the training sentences to be known by them"""
    vectors: str = ""
    """word vectors to begin with: a run of `graphkit words`, or a text of vectors"""
    start: str = ""
    """run whose vocabulary, word vectors and encoder it begins with, as of task mask"""
    model: Literal["words", "convolution", "recurrent", "transformer"] = "recurrent"
    """what reads the words, see docs/language_tasks.md; words: each for itself, the baseline"""
    width: int = 192
    """of word vectors"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the model; in a file, a table [settings]"""
    dropout: float = 0.3
    """share of a word's features that is dropped before the last layer"""
    word_drop: float = 0.0
    """share of the words of a training sentence that are unknown, so that unknown words are learned too"""
    length: int = 256
    """words of the longest sentence"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name in ("dropout", "word_drop"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)}")
        for name in ("width", "length", "least"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.vectors and self.start:
            raise ValueError("a start has vectors already: vectors = '', or start = ''")

    def build(self, seed: int) -> TagTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.language.tag import TagTask

        return TagTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.language.tag import network

        return network(self, description)
