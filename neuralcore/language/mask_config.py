"""What the task "mask" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.language.mask import MaskTask


@dataclass(frozen=True)
class MaskConfig:
    """Tell the words that are hidden in a text by those on both sides."""

    data: str
    """a text (.txt, .gz, .xz), or a folder with train.txt, valid.txt and test.txt; or "grammar", made here"""
    valid: float = 0.02
    """share of the text that is held out to judge by, its end; of a folder without valid.txt"""
    unit: Literal["words", "bpe", "characters"] = "words"
    """what a token is; words: what lies between white space; bpe: joined bytes, learned from the text"""
    size: int | None = 20_000
    """tokens that are known, the commonest; None: all. bpe needs a number"""
    vectors: str = ""
    """word vectors to begin with: a run of `graphkit words`, or a text of vectors; unit words"""
    model: Literal["transformer", "recurrent", "convolution"] = "transformer"
    """what reads the words, see docs/language_tasks.md"""
    width: int = 192
    """of word vectors"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the model; in a file, a table [settings]"""
    length: int = 64
    """tokens of an example: the text is cut after so many, wherever that is"""
    share: float = 0.15
    """of tokens, how many are to be told; 80 % of those are hidden, 10 % exchanged, 10 % left (Devlin et al. 2019)"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if not 0.0 <= self.valid < 1.0:
            raise ValueError(f"valid must be from 0 to below 1, got {self.valid}")
        if not 0.0 < self.share < 1.0:
            raise ValueError(f"share must be between 0 and 1, got {self.share}")
        for name in ("width", "length"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be 2 or more, got {getattr(self, name)}")
        if self.unit == "bpe" and self.size is None:
            raise ValueError("bpe needs a size, such as 8000")
        if self.vectors and self.unit != "words":
            raise ValueError(f"vectors are of words: unit = 'words', not {self.unit!r}")

    def build(self, seed: int) -> MaskTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.language.mask import MaskTask

        return MaskTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.language.mask import network

        return network(self, description)
