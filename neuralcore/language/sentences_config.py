"""What the task "sentences" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.language.sentences import SentencesTask


@dataclass(frozen=True)
class SentencesConfig:
    """Tell of which kind a sentence is."""

    data: str
    """the beginning of the names of files of "label sentence", as data/text-classify/stsa.binary; or "opinions", made
    here"""
    valid: float = 0.1
    """share of the training sentences that is held out to judge by, where there is no file for it"""
    unit: Literal["words", "bpe", "characters"] = "words"
    """what a token is; words: what lies between white space; bpe: joined bytes, learned from the sentences"""
    size: int | None = None
    """tokens that are known: the commonest of the training sentences, then of `vectors`; None: all"""
    least: int = 1
    """times that a token must be in the training sentences to be known by them"""
    vectors: str = ""
    """word vectors to begin with: a run of `graphkit words`, or a text of vectors. They learn on, unless fit.freeze
    has words."""
    start: str = ""
    """run whose vocabulary, word vectors and encoder it begins with, as of task mask"""
    model: Literal["words", "convolution", "recurrent", "transformer"] = "words"
    """what reads the words, see docs/language_tasks.md"""
    width: int = 192
    """of word vectors"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the model; in a file, a table [settings]"""
    dropout: float = 0.5
    """share of the sentence's features that is dropped before the last layer"""
    word_drop: float = 0.0
    """share of the words of a training sentence that are unknown, drawn anew each time (Iyyer et al. 2015)"""
    length: int = 256
    """tokens of the longest sentence"""
    smoothing: float = 0.0
    """label smoothing (Szegedy et al. 2016)"""
    teacher: str = ""
    """run of this task whose odds are learned too (distillation, Hinton et al. 2015)"""
    temperature: float = 2.0
    """T, by which the logits of both are divided there"""
    taught: float = 0.9
    """weight of the teacher's loss, which is multiplied by T²; the labels' has the rest"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name in ("valid", "dropout", "word_drop", "smoothing"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)}")
        for name in ("width", "length", "least"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.temperature > 0.0 or not 0.0 < self.taught <= 1.0:
            raise ValueError(
                f"temperature must be above 0, taught above 0 and at most 1: {self.temperature}, {self.taught}"
            )
        if self.unit == "bpe" and self.size is None and not self.start:
            raise ValueError("bpe needs a size, such as 8000")
        if self.vectors and (self.start or self.unit != "words"):
            raise ValueError("vectors are of words, and a start has vectors already: unit = 'words', start = ''")

    def build(self, seed: int) -> SentencesTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.language.sentences import SentencesTask

        return SentencesTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.language.sentences import network

        return network(self, description)
