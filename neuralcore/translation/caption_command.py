"""`neuralcore caption`: what pictures show, by a fitted captioner, a line each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from neuralcore.errors import UserError

SHOWN = 12  # pictures of `--looking`, at most


@dataclass(frozen=True)
class CaptionArguments:
    """Say what pictures show, to standard output: a name, a tab and a sentence."""

    run: tyro.conf.Positional[str]
    """run folder of task "caption" """
    pictures: tyro.conf.Positional[str]
    """a picture, or a folder of them, also in folders within"""
    beam: int = 3
    """hypotheses of the search; 1: greedy"""
    looking: str = ""
    """picture to be written of where it looked for each word, of the first twelve"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ValueError(f"beam must be 1 or more, got {self.beam}")
        if self.looking and Path(self.looking).suffix != ".png":
            raise ValueError(f"looking must end in .png, got {self.looking!r}")


def caption(arguments: CaptionArguments) -> int:
    """Write the captions."""
    import numpy as np

    from neuralcore.data.images import pictures_in, read_picture
    from neuralcore.data.tokens import Tokens
    from neuralcore.device import choose_device
    from neuralcore.fitting.saved import load_model
    from neuralcore.translation.captioner import Captioner
    from neuralcore.translation.captioning import described, looked_at

    a = arguments
    fitted = load_model(a.run, choose_device(a.device))
    if fitted.task != "caption":
        raise UserError(f"{a.run} is a {fitted.task!r} model: name a run of task 'caption'")
    model, tokens = fitted.model, Tokens.of(fitted.description["tokens"])
    assert isinstance(model, Captioner)
    channels, *size = fitted.description["shape"]
    found = pictures_in(a.pictures)
    images = np.stack([read_picture(path, channels, tuple(size)) for path in found.values()])
    sentences = described(model, tokens, images, beam=a.beam, longest=fitted.config.longest)
    for name, sentence in zip(found, sentences):
        print(f"{name}\t{sentence}")
    if a.looking:
        Path(a.looking).parent.mkdir(parents=True, exist_ok=True)
        looked_at(model, tokens, images[:SHOWN], sentences[:SHOWN], Path(a.looking))
    return 0
