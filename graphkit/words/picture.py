"""A picture of chosen words: their vectors, at length one, in two dimensions by PCA or t-SNE, each with its name.

Names are put where they hide neither points nor each other: the first free place of some around the point, nearest
first; one that is not beside its point is tied to it by a line.

Axes: N words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graphkit.tsne import principal_components, tsne
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    from graphkit.words.vectors import WordVectors

figures = lazy_import("matplotlib.figure", extra="plots")
canvases = lazy_import("matplotlib.backends.backend_agg", extra="plots")

Method = Literal["pca", "tsne"]
INK, POINT, LINE = "#2b2d35", "#4c72b0", "#b8bac2"
SUFFIXES = (".png", ".svg", ".pdf")
GAP = 7.0  # pixels between a point and a name beside it
POINT_RADIUS = 4.0  # pixels


def picture(vectors: WordVectors, words: Sequence[str], path: str | Path, method: Method = "pca") -> np.ndarray:
    """Draw words into a .png, .svg or .pdf file.

    Returns:
        (N, 2) where they lie.

    Raises:
        UserError: a word is unknown or there are too few, the path cannot be a picture, or matplotlib is missing.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a picture's name ends in {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}")
    words = list(dict.fromkeys(words))
    if len(words) < 3:
        raise UserError(f"a picture of {len(words)} words: name at least 3")
    X = vectors.unit[vectors.vocabulary.ids(words)]
    if method == "pca":
        points, shares = principal_components(X)
        title = f"{len(words)} words on two principal components ({shares.sum():.0%} of their variance)"
    else:
        points, divergence = tsne(X)
        title = f"{len(words)} words by t-SNE (KL divergence {divergence:.2f})"
    figure = draw(points, words, title)
    try:
        figure.savefig(path, bbox_inches="tight", pad_inches=0.15)
    except OSError as error:
        raise UserError(f"{path} could not be written ({error.strerror})") from None
    return points


def draw(points: np.ndarray, words: Sequence[str], title: str) -> Any:
    """A figure of named points (N, 2), equally scaled in both directions."""
    width = min(7.5 + 0.025 * len(words), 20.0)  # inches; more room for more names
    extent = np.ptp(points, axis=0)
    height = width * float(np.clip(extent[1] / max(extent[0], 1e-12), 0.5, 1.0))
    figure = figures.Figure(figsize=(width, height), dpi=150)
    canvas = canvases.FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_title(title, fontsize=11, loc="left", color=INK)
    axes.scatter(points[:, 0], points[:, 1], s=12, color=POINT, zorder=2)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(LINE)
    axes.apply_aspect()  # where the points come to lie is settled now, before names are placed by pixels
    renderer = canvas.get_renderer()
    at = axes.transData.transform(points)  # (N, 2) pixels
    offset = {"xytext": (0, 0), "textcoords": "offset points", "fontsize": 8, "color": INK}
    texts = [axes.annotate(word, point, **offset) for word, point in zip(words, points)]
    sizes = np.array([(box.width, box.height) for box in (text.get_window_extent(renderer) for text in texts)])
    for text, place, size, point in zip(texts, name_places(at, sizes), sizes, at):
        text.xyann = tuple((place - point) * 72 / figure.dpi)  # in points, so that the file's resolution is free
        nearest = np.clip(point, place, place + size)
        if np.linalg.norm(nearest - point) > 1.5 * GAP:
            ends = axes.transData.inverted().transform([point, nearest])
            axes.plot(ends[:, 0], ends[:, 1], color=LINE, linewidth=0.6, zorder=1)
    return figure


def name_places(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N, 2) lower left corners of boxes of the given (N, 2) sizes, near their points and free of each other.

    The points with the nearest neighbours choose first, as they have the least room. Where every place is taken, a
    box goes where it hides least.
    """
    N = len(points)
    apart = np.linalg.norm(points[:, None] - points, axis=2) + np.diag(np.full(N, np.inf))
    corners = np.zeros((N, 2))
    taken: list[int] = []
    for n in np.argsort(apart.min(axis=1), kind="stable"):
        best, least = corners[n], math.inf
        for distance in (GAP, 2 * GAP, 4 * GAP, 7 * GAP, 11 * GAP, 16 * GAP):
            for turn in (0, 4, 2, 6, 1, 7, 3, 5):  # right, left, above, below, then between
                direction = np.array([math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)]).round(9)
                # The side or corner of the box that faces the point lies at that distance.
                corner = points[n] + distance * direction + sizes[n] * (np.sign(direction) - 1) / 2
                hidden = _overlap(corner, sizes[n], corners[taken], sizes[taken])
                hidden += _overlap(corner, sizes[n], points - POINT_RADIUS, np.full((N, 2), 2 * POINT_RADIUS))
                if hidden < least:
                    best, least = corner, hidden
            if least == 0:
                break
        corners[n] = best
        taken.append(int(n))
    return corners


def _overlap(corner: np.ndarray, size: np.ndarray, corners: np.ndarray, sizes: np.ndarray) -> float:
    """Area that one box shares with others."""
    shared = np.minimum(corner + size, corners + sizes) - np.maximum(corner, corners)
    return float(np.prod(np.maximum(shared, 0), axis=1).sum())
