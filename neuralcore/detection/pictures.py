"""Found objects as a picture: boxes with names and scores, masks over the pixels, and in white what is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from neuralcore.detection.masks import pasted
from neuralcore.detection.objects import Found
from neuralcore.lazy import lazy_import

figures = lazy_import("matplotlib.figure", extra="plots")
patches = lazy_import("matplotlib.patches", extra="plots")
matplotlib = lazy_import("matplotlib", extra="plots")

SHOWN = 0.3  # least score of a box that is drawn


def detected_picture(
    images: np.ndarray,
    found: Sequence[Found],
    there: Sequence[np.ndarray] | None,
    names: Sequence[str],
    path: Path,
    least: float = SHOWN,
    columns: int = 3,
) -> None:
    """Images (N, C, H, W) uint8 with what was found in each, and where it is known the boxes (M, 4) of what is there.

    Args:
        least: score of a box that is drawn.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[2:]
    figure = figures.Figure(figsize=(4.0 * columns, 4.0 * rows * height / width), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    colours = matplotlib.colormaps["tab10"]
    for number, (axis, image, one) in enumerate(zip(axes, images, found)):
        pixels = np.repeat(np.moveaxis(image, 0, -1), 3 if len(image) == 1 else 1, axis=2).astype(np.float32) / 255.0
        drawn = [i for i in range(len(one.scores)) if one.scores[i] >= least]
        if one.masks is not None:
            for i in drawn:
                mask = pasted(one.masks[i], one.boxes[i], height, width).numpy()
                colour = np.array(colours(int(one.kinds[i]) % 10)[:3])
                pixels = np.where(mask[:, :, None], 0.5 * pixels + 0.5 * colour, pixels)
        axis.imshow(pixels)
        for box in () if there is None else there[number]:
            axis.add_patch(_frame(box, "white", 0.8, ":"))
        for i in drawn:
            colour, box = colours(int(one.kinds[i]) % 10), one.boxes[i].tolist()
            axis.add_patch(_frame(box, colour, 1.4, "-"))
            label = f"{names[int(one.kinds[i])]} {float(one.scores[i]):.2f}"
            axis.text(
                box[0] + 1, box[1] + 1, label, fontsize=6, color="white", va="top", backgroundcolor=(*colour[:3], 0.6)
            )
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def _frame(box: Sequence[float] | np.ndarray | torch.Tensor, colour: object, width: float, style: str) -> object:
    left, top, right, bottom = (float(side) for side in box)
    return patches.Rectangle(
        (left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=width, linestyle=style
    )
