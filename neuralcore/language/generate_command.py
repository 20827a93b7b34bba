"""`neuralcore generate`: a fitted language model writes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from neuralcore.errors import UserError
from neuralcore.language.choice import Choice

if TYPE_CHECKING:
    from neuralcore.data.tokens import Tokens
    from neuralcore.language.model import LanguageModel


@dataclass(frozen=True)
class GenerateArguments:
    """Go on with a text, token by token."""

    run: tyro.conf.Positional[str]
    """run folder of a fitted language model"""
    prompt: str = "\n"
    """how the text begins"""
    count: int = 500
    """tokens to be written"""
    temperature: float = 0.8
    """below 1 the likely come oftener; 0: always the likeliest"""
    top_k: int = 0
    """tokens are drawn from the k likeliest only; 0: from all"""
    top_p: float = 1.0
    """tokens are drawn from the fewest that together are as likely as this (nucleus sampling)"""
    seed: int = 0
    """of what is drawn"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be 1 or more, got {self.count}")
        if not self.prompt:
            raise ValueError("prompt is empty: a text needs a beginning, such as a line end")
        self.choice()

    def choice(self) -> Choice:
        """How tokens are drawn."""
        return Choice(self.temperature, self.top_k, self.top_p)


def generate(arguments: GenerateArguments) -> int:
    """Write to standard output, as it comes."""
    from neuralcore.data.tokens import SPECIAL, UNKNOWN
    from neuralcore.language.sampling import written

    model, tokens = language_model(arguments.run, arguments.device)
    unknown = tokens.unknown(arguments.prompt)
    if unknown:
        first = ", ".join(map(repr, unknown[:5]))
        raise UserError(f"--prompt: {first} not in the vocabulary of {arguments.run}, whose tokens are {tokens.unit}")
    prompt = tokens.encode(arguments.prompt)
    shown = arguments.prompt
    sys.stdout.write(shown)
    text = list(prompt)
    banned = [number for number in range(len(SPECIAL)) if number != UNKNOWN or tokens.unit != "words"]
    for token in written(model, prompt, arguments.count, arguments.choice(), seed=arguments.seed, banned=banned):
        text.append(token)
        # Bytes of one character may be several tokens: what is shown waits until it is whole.
        whole = tokens.decode(text)
        if whole.startswith(shown) and not whole.endswith("\ufffd"):
            sys.stdout.write(whole[len(shown) :])
            sys.stdout.flush()
            shown = whole
    sys.stdout.write("\n")
    return 0


def language_model(run: str, device: str = "cpu") -> tuple[LanguageModel, Tokens]:
    """The model of a run, and its vocabulary.

    Raises:
        UserError: the run is of another task.
    """
    from neuralcore.data.tokens import Tokens
    from neuralcore.device import choose_device
    from neuralcore.fitting.saved import load_model
    from neuralcore.language.model import LanguageModel

    fitted = load_model(run, choose_device(device))
    if not isinstance(fitted.model, LanguageModel):
        raise UserError(f"{run} is a {fitted.task!r} model, which writes no text: name a run of task 'language'")
    return fitted.model, Tokens.of(fitted.description["tokens"])
