"""What the task "language" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.language.language_task import LanguageTask

Network = Literal["transformer", "lstm", "gru", "rnn", "irnn"]


@dataclass(frozen=True)
class LanguageConfig:
    """Tell which token follows those before it."""

    data: str
    """a text (.txt, .gz, .xz); or a folder with train.txt, valid.txt and test.txt"""
    valid: float = 0.1
    """share of the text that is held out to judge by, its end; of a folder without valid.txt"""
    unit: Literal["characters", "words", "bpe"] = "characters"
    """what a token is; words: what lies between white space; bpe: joined bytes, learned from the text"""
    vocabulary: int | None = None
    """tokens that are known, the commonest; None: all. bpe needs a number"""
    network: Network = "transformer"
    """transformer: sees the window of its context; the others read on where they stopped, see docs/language.md"""
    vectors: str = ""
    """word vectors to begin with: a run of `graphkit words`, or a text of vectors; unit words"""
    width: int = 192
    """of token vectors and of the network"""
    layers: int = 4
    """of the network"""
    heads: int = 4
    """of the transformer's attention"""
    inner: int | None = None
    """width between the two layers of the transformer's feeds; None: four times its width"""
    positions: Literal["rotary", "learned", "sinusoidal"] = "rotary"
    """how the transformer knows where a token is"""
    context: int = 128
    """tokens of a window; those through which a recurrent network learns backwards (truncated back-propagation)"""
    dropout: float = 0.1
    """share of numbers that are dropped"""
    layer_drop: float = 0.0
    """share of the transformer's layers that are skipped in training (LayerDrop, Fan et al. 2020)"""
    tied: bool = True
    """the output's vectors are the token vectors (Press & Wolf 2017)"""
    cutoffs: tuple[int, ...] = ()
    """ranks of tokens between which an adaptive softmax (Grave et al. 2017) has its clusters; untied. Empty: a plain
    softmax"""
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        if not 0.0 <= self.valid < 1.0:
            raise ValueError(f"valid must be from 0 to below 1, got {self.valid}")
        for name in ("width", "layers", "heads", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("dropout", "layer_drop"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)}")
        if self.inner is not None and self.inner < 1:
            raise ValueError(f"inner must be 1 or more, or None, got {self.inner}")
        if self.network == "transformer" and self.width % self.heads:
            raise ValueError(f"heads must divide the width, {self.heads} do not divide {self.width}")
        if self.network == "transformer" and self.width // self.heads % 2 and self.positions == "rotary":
            raise ValueError(f"rotary positions need an even width of each head, {self.width // self.heads} is odd")
        if self.network != "transformer" and (self.layer_drop or self.inner or self.positions != "rotary"):
            raise ValueError(f"layer_drop, inner and positions are of the transformer, not of {self.network}")
        if self.vectors and self.unit != "words":
            raise ValueError(f"vectors are of words: unit = 'words', not {self.unit!r}")
        if self.unit == "bpe" and self.vocabulary is None:
            raise ValueError("bpe needs a vocabulary, such as 4096")
        if list(self.cutoffs) != sorted(set(self.cutoffs)) or (self.cutoffs and self.cutoffs[0] < 1):
            raise ValueError(f"cutoffs must rise and be above 0, got {self.cutoffs}")
        if self.cutoffs and self.width < 4 ** len(self.cutoffs):
            raise ValueError(
                f"width must be {4 ** len(self.cutoffs)} or more with {len(self.cutoffs)} cutoffs: each cluster's "
                "vectors are a quarter as wide as the one's before"
            )
        if self.cutoffs and self.tied:
            raise ValueError("an adaptive softmax has vectors of its own: tied = false")

    def build(self, seed: int) -> LanguageTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.language.language_task import LanguageTask

        return LanguageTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.language.language_task import network

        return network(self, description)
