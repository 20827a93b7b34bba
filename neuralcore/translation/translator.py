"""Sentences in, sentences out: a fitted network with its vocabulary and a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from neuralcore.data.tokens import BEGIN, END, Tokens, padded
from neuralcore.fitting.image_splits import device_of
from neuralcore.translation.beam import beam_search

ROWS = 320  # hypotheses that are searched at once
TIMES, MORE = 2, 10  # an answer has at most that many times the tokens of its question, and so many more


class Translator:
    """A network that answers.

    Args:
        model: of `neuralcore.translation.MODELS`, in evaluation mode. tokens: its vocabulary.
        beam, alpha: see `neuralcore.translation.beam.beam_search`.
    """

    def __init__(self, model: Any, tokens: Tokens, *, beam: int = 5, alpha: float = 0.6):
        self.model, self.tokens, self.beam, self.alpha = model, tokens, beam, alpha

    @torch.no_grad()
    def translate(self, sentences: Sequence[str]) -> list[str]:
        """The best translation of each."""
        numbers = [[*row, END] for row in self.tokens.encode_all(list(sentences))]
        order = np.argsort([len(row) for row in numbers], kind="stable")
        size, found = max(ROWS // self.beam, 1), [""] * len(numbers)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            for row, answer in zip(rows, self._answers([numbers[row] for row in rows])):
                found[row] = self.tokens.decode(answer)
        return found

    def _answers(self, numbers: list[list[int]]) -> list[list[int]]:
        device = device_of(self.model)
        limits = torch.tensor([TIMES * len(row) + MORE for row in numbers], device=device)
        # In float32, whatever precision it was fitted in: small steps gain nothing by another.
        with torch.autocast(device.type, enabled=False):
            decoding = self.model.decoding(torch.from_numpy(padded(numbers)).to(device), int(limits.max()))
            answers = beam_search(decoding, limits, beam=self.beam, alpha=self.alpha)
        return [hypotheses[0].tokens for hypotheses in answers]

    @torch.no_grad()
    def attention(self, sentence: str, answer: str) -> tuple[np.ndarray, list[str], list[str]]:
        """What each token of an answer takes of the sentence's (T, S), and both as texts, their ends among them."""
        source, target = ([*self.tokens.encode(text), END] for text in (sentence, answer))
        device = device_of(self.model)
        with torch.autocast(device.type, enabled=False):
            pair = (torch.tensor([row], device=device) for row in (source, [BEGIN, *target[:-1]]))
            weights = self.model.attention(*pair)[0]
        return weights.float().cpu().numpy(), self._texts(target), self._texts(source)

    def _texts(self, numbers: list[int]) -> list[str]:
        return [self.tokens.decode([number]).strip() or self.tokens.symbols[number] for number in numbers]
