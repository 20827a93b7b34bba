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


def looking_picture(
    images: np.ndarray, words: Sequence[Sequence[str]], places: Sequence[np.ndarray], path: Path
) -> None:
    """A row for each image: as it is, then for each word lighter where the network looked for it (Xu et al. 2015,
    figure 5).

    Args:
        images: (N, 3, H, W) uint8. words: of each. places: of each (words, rows, columns), each word's weights.
    """
    count, most = len(images), max(map(len, words))
    figure = figures.Figure(figsize=(1.1 * (most + 1), 1.3 * count), layout="constrained")
    axes = figure.subplots(count, most + 1, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for row, image, said, seen in zip(axes, images, words, places):
        picture = image.transpose(1, 2, 0) / 255.0
        row[0].imshow(picture)
        high, wide = image.shape[1], image.shape[2]
        for axis, word, weights in zip(row[1:], said, seen):
            across, down = np.arange(wide) * weights.shape[1] // wide, np.arange(high) * weights.shape[0] // high
            light = weights[down][:, across] / max(float(weights.max()), 1e-9)
            axis.imshow(picture * (0.15 + 0.85 * light[:, :, None]))
            axis.set_title(_plain(word), fontsize=8, pad=2)
    figure.savefig(path, dpi=110)
