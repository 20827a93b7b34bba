"""A picture of what an answer takes of its question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neuralcore.lazy import lazy_import

figures = lazy_import("matplotlib.figure", extra="plots")


def attention_picture(weights: np.ndarray, answer: Sequence[str], question: Sequence[str], path: Path) -> None:
    """(T, S) weights, a row for each token of the answer, a column for each of the question (Bahdanau et al. 2015,
    figure 3); black is 0, white 1."""
    across, down = len(question), len(answer)
    figure = figures.Figure(figsize=(0.32 * across + 1.8, 0.32 * down + 1.6), layout="constrained")
    axis = figure.subplots()
    axis.imshow(weights, cmap="gray", vmin=0.0, vmax=1.0, aspect="equal")
    axis.xaxis.tick_top()
    axis.set_xticks(range(across), [_plain(text) for text in question], rotation=60, ha="left", fontsize=8)
    axis.set_yticks(range(down), [_plain(text) for text in answer], fontsize=8)
    axis.tick_params(length=0)
    figure.savefig(path, dpi=130)


def _plain(text: str) -> str:
    """A text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
