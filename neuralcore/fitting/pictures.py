"""Pictures of a fit: its curves, what is taken for what, what confidence is worth, and examples that went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.fitting.metrics import calibration
from neuralcore.lazy import lazy_import

figures = lazy_import("matplotlib.figure", extra="plots")

BLUE, ORANGE, GREY = "#2a6f97", "#c9622b", "#888888"


def curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The figures of a history's rows over epochs, those that belong together in one panel."""
    names = [name for name in history[0] if name not in ("step", "epoch")] if history else []
    names = [name for name in names if not name.endswith(("_low", "_high"))]
    panels: dict[str, list[str]] = {}
    for name in names:
        panels.setdefault(name.removeprefix("valid_"), []).append(name)
    figure = figures.Figure(figsize=(4.2 * min(len(panels), 3), 3.0 * -(-len(panels) // 3)), layout="constrained")
    axes = figure.subplots(-(-len(panels) // 3), min(len(panels), 3), squeeze=False).ravel()
    epochs = [row["epoch"] for row in history]
    for axis, (title, members) in zip(axes, panels.items()):
        for name in members:
            values = [np.nan if row.get(name) is None else row[name] for row in history]
            is_valid = name.startswith("valid_")
            label = "validation" if is_valid else "training"
            axis.plot(
                epochs, values, color=ORANGE if is_valid else BLUE, label=label, marker="." * (len(epochs) < 30)
            )
        axis.set_title(title.replace("_", " "), fontsize=10)
        axis.set_xlabel("epoch", fontsize=8)
        if len(members) > 1:
            axis.legend(fontsize=8, frameon=False)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.savefig(path, dpi=120)


def confusion_picture(matrix: np.ndarray, names: Sequence[str], path: Path) -> None:
    """(K, K) counts, rows what is shown, columns what it was taken for; the diagonal is left pale to see the rest."""
    count = len(names)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    wrong = shares.copy()
    np.fill_diagonal(wrong, 0.0)
    side = max(3.5, 0.55 * count + 1.5)
    figure = figures.Figure(figsize=(side, side), layout="constrained")
    axis = figure.subplots()
    axis.imshow(wrong, cmap="Oranges", vmin=0.0, vmax=max(float(wrong.max()), 0.05))
    axis.set_xticks(range(count), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(count), names, fontsize=8)
    axis.set_xlabel("taken for")
    axis.set_ylabel("is")
    if count <= 20:
        for i in range(count):
            for j in range(count):
                if matrix[i, j]:
                    colour = BLUE if i == j else "white" if wrong[i, j] > 0.6 * wrong.max() else "black"
                    axis.text(j, i, f"{100 * shares[i, j]:.1f}", ha="center", va="center", fontsize=7, color=colour)
    axis.set_title("% of each row", fontsize=10)
    figure.savefig(path, dpi=120)


def calibration_picture(probabilities: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """The reliability diagram (Guo et al. 2017, figure 1): how often a confidence is right, and how common it is."""
    found = calibration(probabilities, labels)
    bins = len(found.counts)
    edges = np.arange(bins) / bins
    figure = figures.Figure(figsize=(4.2, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.bar(edges, np.nan_to_num(found.accuracy), 1 / bins, align="edge", color=BLUE, edgecolor="white")
    top.plot([0, 1], [0, 1], color=GREY, linestyle="--")
    top.set_ylabel("right")
    top.set_title(f"expected calibration error {100 * found.error:.2f} %", fontsize=10)
    bottom.bar(edges, found.counts / found.counts.sum(), 1 / bins, align="edge", color=GREY, edgecolor="white")
    bottom.set_xlabel("confidence")
    bottom.set_ylabel("share")
    figure.savefig(path, dpi=120)


def images_picture(images: np.ndarray, titles: Sequence[str], path: Path, columns: int = 8) -> None:
    """Images (N, C, H, W), bytes or floats in [0, 1], in rows of `columns`, each with its title."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = figures.Figure(figsize=(1.35 * columns, 1.6 * rows), layout="constrained")
    for axis, image, title in zip(figure.subplots(rows, columns, squeeze=False).ravel(), images, titles):
        pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        axis.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, interpolation="nearest")
        axis.set_title(title, fontsize=7)
    for axis in figure.axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def rates_picture(
    rates: Sequence[float], losses: Sequence[float], suggested: float | None, own: float, path: Path
) -> None:
    """The loss over the learning rate of a range test, the suggested rate and the config's own as lines."""
    figure = figures.Figure(figsize=(5.0, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.semilogx(rates, losses, color=BLUE)
    if suggested is not None:
        axis.axvline(suggested, color=ORANGE, linestyle="--", label=f"steepest, {suggested:.1e}")
    axis.axvline(own, color=GREY, linestyle=":", label=f"the config's, {own:.1e}")
    axis.set_xlabel("learning rate")
    axis.set_ylabel("loss, smoothed")
    axis.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)
