"""`neuralcore tell`: a fitted model of task "sentences" tells the kind of sentences."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class TellArguments:
    """Print the kind of each sentence, how sure that is, and the sentence."""

    run: tyro.conf.Positional[str]
    """run folder of a fitted model of sentences"""
    text: tyro.conf.Positional[str]
    """a text with a sentence a line (.txt, .gz, .xz); - is standard input"""
    cut: bool = False
    """sentences are running text, to be cut into words as treebanks are; or else words stand between white space"""


def tell(arguments: TellArguments) -> int:
    """A line for each sentence: kind, probability, sentence, with tabs between."""
    import numpy as np

    from neuralcore.data.penn import penn_words
    from neuralcore.data.text import read_lines
    from neuralcore.data.tokens import Tokens
    from neuralcore.fitting.saved import load_model
    from neuralcore.language.sentences import encoded, logits_of

    fitted = load_model(arguments.run)
    if fitted.task != "sentences":
        raise UserError(f"{arguments.run} is a {fitted.task!r} model: name a run of task 'sentences'")
    lines = sys.stdin.read().splitlines() if arguments.text == "-" else read_lines(arguments.text)
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise UserError(f"{arguments.text}: there is no sentence")
    cut = [" ".join(penn_words(text)) for text in texts] if arguments.cut else texts
    rows = encoded(Tokens.of(fitted.description["tokens"]), cut, fitted.config.length, arguments.text)
    logits = logits_of(fitted.model, rows).astype(np.float64)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    odds /= odds.sum(1, keepdims=True)
    for text, row in zip(texts, odds):
        print(f"{fitted.description['names'][row.argmax()]}\t{row.max():.3f}\t{text}")
    return 0
