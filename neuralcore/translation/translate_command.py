"""`neuralcore translate`: sentences by a fitted translator, line by line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from neuralcore.errors import UserError

if TYPE_CHECKING:
    from neuralcore.data.tokens import Tokens

NAMED = 5  # unknown words that are named


@dataclass(frozen=True)
class TranslateArguments:
    """Translate sentences, a line each, to standard output."""

    run: tyro.conf.Positional[str]
    """run folder of task "translate" """
    text: tyro.conf.Positional[str]
    """file of sentences, also .gz or .xz; -: standard input"""
    beam: int = 5
    """hypotheses of the search; 1: greedy"""
    alpha: float = 0.6
    """how much it makes up for length (Wu et al. 2016): 0 ranks by log-probability, 1 about by its mean a token"""
    attention: str = ""
    """picture to be written of what each word takes of the sentence, which must be the only one"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ValueError(f"beam must be 1 or more, got {self.beam}")
        if not self.alpha >= 0.0:
            raise ValueError(f"alpha must be 0 or more, got {self.alpha}")


def translate(arguments: TranslateArguments) -> int:
    """Write the translations."""
    from neuralcore.data.tokens import Tokens
    from neuralcore.device import choose_device
    from neuralcore.fitting.saved import load_model
    from neuralcore.translation.translator import Translator

    a = arguments
    fitted = load_model(a.run, choose_device(a.device))
    if fitted.task != "translate":
        raise UserError(f"{a.run} is a {fitted.task!r} model: name a run of task 'translate'")
    tokens = Tokens.of(fitted.description["tokens"])
    sentences = _sentences(a.text, tokens, fitted.config.longest)
    if a.attention and (len(sentences) != 1 or Path(a.attention).suffix != ".png"):
        raise UserError(f"--attention {a.attention}: a .png of one sentence, and {a.text} has {len(sentences):,}")
    translator = Translator(fitted.model, tokens, beam=a.beam, alpha=a.alpha)
    found = translator.translate(sentences)
    for line in found:
        print(line)
    if a.attention:
        from neuralcore.translation.pictures import attention_picture

        Path(a.attention).parent.mkdir(parents=True, exist_ok=True)
        attention_picture(*translator.attention(sentences[0], found[0]), Path(a.attention))
    return 0


def _sentences(text: str, tokens: Tokens, longest: int) -> list[str]:
    """The lines; unknown words are told on standard error.

    Raises:
        UserError: a line has nothing in it, or more tokens than the model was fitted to.
    """
    from neuralcore.data.text import decoded, read_lines

    name = "standard input" if text == "-" else text
    lines = decoded(sys.stdin.buffer.read(), name).rstrip("\n").split("\n") if text == "-" else read_lines(text)
    lines = [line.strip() for line in lines]
    unknown: dict[str, None] = {}
    for number, (line, numbers) in enumerate(zip(lines, tokens.encode_all(lines)), 1):
        if not line:
            raise UserError(f"{name}:{number}: nothing in this line: a line is a sentence")
        if len(numbers) > longest:
            raise UserError(
                f"{name}:{number}: {len(numbers)} tokens, and the model was fitted to {longest}: cut it in two"
            )
        unknown.update(dict.fromkeys(tokens.unknown(line)))
    if unknown:
        some = ", ".join(list(unknown)[:NAMED]) + (", …" if len(unknown) > NAMED else "")
        print(f"unknown to the model, taken as <unk>: {some}", file=sys.stderr)
    return lines
