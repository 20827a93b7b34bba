"""What the task "translate" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tyro

from neuralcore.data.tokens import Unit
from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.translation.translating import Translating


@dataclass(frozen=True)
class TranslateConfig:
    """Translate sentences."""

    data: str
    """folder of sentences line by line: train.<source>, train.<target>, so too valid or val and `test`, also .txt,
    .gz and .xz; or "toy", made here, whose languages are src and tgt"""
    source: str = "src"
    """language that is translated"""
    target: str = "tgt"
    """language that it is translated to"""
    test: str = "test"
    """name of the test files, as test_2016_flickr"""
    extra: str = ""
    """two more files of training pairs, as back.en,back.de: of back-translation, say"""
    model: str = "transformer"
    """transformer; recurrent (docs/translation.md)"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the network; in a file, a table [settings]"""
    unit: Unit = "bpe"
    """what tokens are: bpe, of both languages together; words; characters"""
    vocabulary: int = 8000
    """tokens at most, the special ones among them"""
    longest: int = 100
    """tokens of a sentence; training pairs with more are left out"""
    smoothing: float = 0.1
    """label smoothing (Szegedy et al. 2016)"""
    translated: int = 200
    """validation sentences that are translated for BLEU at each evaluation, greedily; 0: none"""
    beam: int = 5
    """hypotheses of the search with which test sentences are translated"""
    alpha: float = 0.6
    """its reward of length (Wu et al. 2016): 0 ranks by log-probability, 1 about by its mean a token"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if not 0.0 <= self.smoothing < 1.0:
            raise ValueError(f"smoothing must be from 0 to below 1, got {self.smoothing}")
        for name in ("longest", "beam"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.translated < 0:
            raise ValueError(f"translated must be 0 or more, got {self.translated}")
        if not self.alpha >= 0.0:
            raise ValueError(f"alpha must be 0 or more, got {self.alpha}")
        if self.source == self.target:
            raise ValueError(f"source and target are both {self.source!r}")
        if self.extra and len(self.extra.split(",")) != 2:
            raise ValueError(f"extra names two files with a comma between, as back.en,back.de; got {self.extra!r}")

    def build(self, seed: int) -> Translating:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.translation.translating import Translating

        return Translating(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.translation.translating import network

        return network(self, description)
