"""Labelled pixels as a picture: the image, what is there, what was found, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neuralcore.data.masked import UNLABELLED
from neuralcore.lazy import lazy_import

figures = lazy_import("matplotlib.figure", extra="plots")
matplotlib = lazy_import("matplotlib", extra="plots")

WRONG = np.array([201, 98, 43], np.uint8)


def segmented_picture(
    images: np.ndarray, labels: np.ndarray, found: np.ndarray, names: Sequence[str], path: Path
) -> None:
    """A row for each of N images (N, C, H, W), their labels and what was found, (N, H, W) uint8."""
    figure = figures.Figure(figsize=(10.0, 2.6 * len(images)), layout="constrained")
    colours = matplotlib.colormaps["gray" if len(names) == 2 else "tab20"]
    most = max(len(names) - 1, 1) if len(names) == 2 else 19
    axes = figure.subplots(len(images), 4, squeeze=False)
    for row, image, label, guess in zip(axes, images, labels, found, strict=True):
        pixels = np.moveaxis(image, 0, -1)
        grey = pixels.mean(2)
        wrong = np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)
        wrong[(label != guess) & (label != UNLABELLED)] = WRONG
        row[0].imshow(pixels if pixels.shape[2] == 3 else grey, cmap="gray")
        row[1].imshow(np.ma.masked_equal(label, UNLABELLED), cmap=colours, vmin=0, vmax=most, interpolation="nearest")
        row[2].imshow(guess, cmap=colours, vmin=0, vmax=most, interpolation="nearest")
        row[3].imshow(wrong, interpolation="nearest")
    for axis, title in zip(axes[0], ("image", ", ".join(names) if len(names) < 4 else "labels", "found", "wrong")):
        axis.set_title(title, fontsize=9)
    for axis in axes.ravel():
        axis.set_axis_off()
    figure.savefig(path, dpi=110)
