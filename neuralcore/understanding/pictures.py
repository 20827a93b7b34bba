"""Pictures of maps over images, and of points in a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from neuralcore.lazy import lazy_import

figures = lazy_import("matplotlib.figure", extra="plots")

FULL = 99.0  # per cent of a map's numbers that its colours are for: a few are far larger than all others
STRENGTH = 0.75  # of the colour over the image where a map is largest


def maps_picture(
    images: np.ndarray, titles: Sequence[str], maps: Mapping[str, np.ndarray], path: Path, width: float = 1.7
) -> None:
    """A row of images (N, C, H, W) in [0, 1], and below it a row of each method's maps (N, H, W) over them.

    Each map has its own scale, from 0 to its 99th percentile; the stronger the orange the larger.
    """
    count, rows = len(images), 1 + len(maps)
    ratio = images.shape[2] / images.shape[3]
    size = (width * count + 0.6, width * ratio * rows + 0.25)
    figure = figures.Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, count, squeeze=False)
    for column in range(count):
        shown = pixels_of(images[column])
        axes[0, column].imshow(shown, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        axes[0, column].set_title(titles[column], fontsize=8)
        for row, found in enumerate(maps.values(), 1):
            axes[row, column].imshow(overlaid(shown, found[column]), interpolation="nearest")
    for row, name in enumerate(["", *maps]):
        axes[row, 0].set_ylabel(name, fontsize=8)
    for axis in figure.axes:
        axis.set_xticks([])
        axis.set_yticks([])
        for side in axis.spines.values():
            side.set_visible(False)
    figure.savefig(path, dpi=120)


def pixels_of(image: np.ndarray) -> np.ndarray:
    """(H, W), or (H, W, 3) of three channels, of an image (C, H, W); of other numbers the last, a stack's newest."""
    return np.moveaxis(image, 0, -1) if len(image) == 3 else image[-1]


def overlaid(shown: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(H, W, 3): a grey and paler image under a map (H, W) in orange."""
    grey = shown if shown.ndim == 2 else shown @ np.array([0.299, 0.587, 0.114])
    top = float(np.percentile(found, FULL)) or float(found.max()) or 1.0
    share = STRENGTH * np.clip(found / top, 0.0, 1.0)[..., None]
    return (1.0 - share) * (0.15 + 0.7 * grey[..., None]) + share * np.array([1.0, 0.45, 0.05])


def points_picture(points: np.ndarray, labels: np.ndarray, names: Sequence[str], title: str, path: Path) -> None:
    """Points (N, 2), each in the colour of its label (N,)."""
    import matplotlib

    colours = matplotlib.colormaps["tab10" if len(names) <= 10 else "turbo"]
    figure = figures.Figure(figsize=(6.4, 5.4), layout="constrained")
    axis = figure.subplots()
    for number, name in enumerate(names):
        mine = points[labels == number]
        colour = colours(number if len(names) <= 10 else number / (len(names) - 1))
        axis.scatter(mine[:, 0], mine[:, 1], s=5, color=colour, label=name, alpha=0.7, linewidths=0)
    if len(names) <= 20:
        axis.legend(fontsize=7, frameon=False, markerscale=3, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axis.set_title(title, fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])
    figure.savefig(path, dpi=120)
