"""Tokens: the pieces that a text is cut into, and their numbers.

The first five numbers are the same in all vocabularies: padding, what is unknown, begin, end, and what is hidden in
masked texts. A vocabulary describes itself by plain values, so that a model carries its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from neuralcore.data.words import terms
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

tokenizers = lazy_import("tokenizers", extra="tokenizers")

Unit = Literal["characters", "words", "terms", "bpe"]

PAD, UNKNOWN, BEGIN, END, MASK = range(5)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
GAPS = re.compile(r"[^\S\n]+")  # white space within a line


class _Cut(Protocol):
    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: list[int]) -> str: ...


class Tokens:
    """A vocabulary of V tokens; `learn` makes one of texts, `of` of a description.

    - "characters": each is a token;
    - "words": what lies between white space, and the ends of lines, as in texts that were cut into words before
      (WikiText-2); `<unk>` is the unknown word;
    - "terms": the words of any text, lower-cased, as `graphkit words` reads it: digits and signs are passed over;
    - "bpe": byte pairs that are often neighbours are joined again and again (Sennrich et al. 2016), on bytes, so that
      nothing is unknown; by the package `tokenizers`.

    Args:
        unit: see above. symbols: the V tokens, `SPECIAL` first. model: of "bpe", the JSON of `tokenizers`.

    Raises:
        UserError: the description is no vocabulary.
    """

    def __init__(self, unit: Unit, symbols: Sequence[str], model: str = ""):
        self.unit: Unit = unit
        self.symbols = list(symbols)
        self._model = model
        if tuple(self.symbols[:5]) != SPECIAL or len(set(self.symbols)) != len(self.symbols):
            raise UserError(f"a vocabulary begins with {', '.join(SPECIAL)} and names each token once")

    def __len__(self) -> int:
        return len(self.symbols)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokens) and self.description() == other.description()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def learn(cls, texts: Iterable[str], unit: Unit, size: int | None = None, least: int = 1) -> Tokens:
        """The commonest tokens of some texts.

        Args:
            size: V, with the special ones; None: all ("bpe" needs one). least: times that a token must occur.

        Raises:
            UserError: "bpe" without a size, one that is too small, or texts without a token.
        """
        if unit == "bpe":
            return _learn_pairs(texts, size, least)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_pieces(text, unit))
        for special in SPECIAL:
            del counts[special]
        if not counts:
            raise UserError("there is no token in the text: it is empty")
        room = None if size is None else size - len(SPECIAL)
        if room is not None and room < 1:
            raise UserError(f"a vocabulary of {size} has no room: {len(SPECIAL)} tokens are special")
        # The commonest first (an adaptive softmax wants it), equal ones by their code points: the same everywhere.
        ranked = sorted((-count, token) for token, count in counts.items() if count >= least)[:room]
        return cls(unit, [*SPECIAL, *(token for _, token in ranked)])

    @classmethod
    def of(cls, description: dict[str, Any]) -> Tokens:
        """The vocabulary that describes itself so."""
        return cls(description["unit"], description["symbols"], description.get("model", ""))

    def description(self) -> dict[str, Any]:
        """Plain values of which `of` makes it again."""
        found: dict[str, Any] = {"unit": self.unit, "symbols": self.symbols}
        return found | ({"model": self._model} if self._model else {})

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Token -> its number."""
        return {token: number for number, token in enumerate(self.symbols)}

    @cached_property
    def _pairs(self) -> Any:
        return tokenizers.Tokenizer.from_str(self._model)

    def encode(self, text: str) -> list[int]:
        """Numbers of a text's tokens, without begin and end."""
        if self.unit == "bpe":
            return self._pairs.encode(text, add_special_tokens=False).ids
        find = self.numbers.get
        return [find(piece, UNKNOWN) for piece in _pieces(text, self.unit)]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many, by all processors where the package does it."""
        if self.unit == "bpe":
            return [found.ids for found in self._pairs.encode_batch(list(texts), add_special_tokens=False)]
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """A text of numbers; special tokens are left out, but for what is unknown."""
        kept = [int(number) for number in ids if number >= len(SPECIAL) or number == UNKNOWN]
        if self.unit == "bpe":
            return self._pairs.decode(kept, skip_special_tokens=False)
        if self.unit == "characters":
            return "".join("\ufffd" if number == UNKNOWN else self.symbols[number] for number in kept)
        return " ".join(self.symbols[number] for number in kept).replace(" \n ", "\n").replace(" \n", "\n")

    def unknown(self, text: str) -> list[str]:
        """The pieces of a text that are not in the vocabulary, each once, in their order."""
        if self.unit == "bpe":
            return []
        return list(dict.fromkeys(piece for piece in _pieces(text, self.unit) if piece not in self.numbers))


def _pieces(text: str, unit: Unit) -> Sequence[str]:
    """What is a token or an unknown one; words are what lies between white space, and line ends."""
    if unit == "characters":
        return text
    if unit == "terms":
        return terms(text)
    return [piece for piece in GAPS.sub(" ", text).replace("\n", " \n ").split(" ") if piece]


def _learn_pairs(texts: Iterable[str], size: int | None, least: int) -> Tokens:
    if size is None or size < len(SPECIAL) + 256:
        raise UserError(f"bpe needs a size of {len(SPECIAL) + 256} or more, for all bytes are tokens; got {size}")
    found = tokenizers.Tokenizer(tokenizers.models.BPE())
    found.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        special_tokens=list(SPECIAL),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(texts, trainer)
    numbers = found.get_vocab()
    return Tokens("bpe", sorted(numbers, key=numbers.__getitem__), found.to_str())


def padded(rows: Sequence[Sequence[int]], length: int | None = None) -> np.ndarray:
    """(B, T) int64: rows of numbers with `PAD` behind them.

    Args:
        length: T; by default that of the longest. Longer rows are refused.

    Raises:
        ValueError: a row is longer than that.
    """
    longest = max(map(len, rows), default=0)
    length = longest if length is None else length
    if longest > length:
        raise ValueError(f"a row of {longest} tokens does not fit into {length}")
    found = np.full((len(rows), length), PAD, np.int64)
    for row, numbers in zip(found, rows):
        row[: len(numbers)] = numbers
    return found
