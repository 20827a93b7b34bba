"""How well pixels are told, and how sure one can be of it.

Axes: N images, K classes, U units that are drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuralcore.data.masked import UNLABELLED
from neuralcore.fitting.metrics import Interval
from neuralcore.shape import match_shape

BLOCK = 128  # pixels a side of a unit
DRAWS = 2_000


def counts(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(U, K, K) int64: for each block of 128 x 128 pixels of each image, pixels of class i that were taken for j.

    Args:
        labels: (N, H, W) uint8, 255 where nobody judged. predicted: (N, H, W) of whole numbers in [0, K).
    """
    count, height, width = match_shape(labels, -1, -1, -1, name="labels")
    match_shape(predicted, count, height, width, name="predicted")
    found = []
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            window = np.s_[:, top : top + BLOCK, left : left + BLOCK]
            for true, guess in zip(labels[window], predicted[window], strict=True):
                judged = true != UNLABELLED
                both = true[judged].astype(np.int64) * classes + guess[judged]
                found.append(np.bincount(both, minlength=classes * classes).reshape(classes, classes))
    return np.stack(found)


def dice(matrix: np.ndarray) -> np.ndarray:
    """(…, K) 2 |A ∩ B| / (|A| + |B|) of counts (…, K, K); NaN for a class that is neither there nor predicted."""
    common = np.diagonal(matrix, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore"):
        return 2.0 * common / (matrix.sum(-1) + matrix.sum(-2))


def iou(matrix: np.ndarray) -> np.ndarray:
    """(…, K) |A ∩ B| / |A ∪ B| of counts (…, K, K), likewise."""
    common = np.diagonal(matrix, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore"):
        return common / (matrix.sum(-1) + matrix.sum(-2) - common)


def segmentation(units: np.ndarray, names: Sequence[str], judged: str = "", seed: int = 0) -> dict[str, float]:
    """The figures of counts (U, K, K): Dice and IoU of every class, and "dice" and "iou" with 95 % intervals.

    These two are of the class `judged`, or the mean over classes. The interval is the percentile bootstrap's over
    units: pixels of a block are alike, so they are not drawn one by one, and images are often too few.
    """
    total = units.sum(0)
    found = {"accuracy": float(np.trace(total) / max(total.sum(), 1))}
    found |= {f"dice_{name}": float(value) for name, value in zip(names, dice(total), strict=True)}
    found |= {f"iou_{name}": float(value) for name, value in zip(names, iou(total), strict=True)}
    generator = np.random.default_rng(seed)
    drawn = np.stack([units[generator.integers(len(units), size=len(units))].sum(0) for _ in range(DRAWS)])
    for title, of in (("dice", dice), ("iou", iou)):
        whole, again = of(total), of(drawn)
        if judged:
            whole, again = whole[list(names).index(judged)], again[:, list(names).index(judged)]
        else:
            whole, again = np.nanmean(whole), _mean(again)
        interval = Interval(float(whole), float(np.nanquantile(again, 0.025)), float(np.nanquantile(again, 0.975)))
        found |= {title: interval.value, f"{title}_low": interval.low, f"{title}_high": interval.high}
    return found


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over the last axis of what is a number."""
    there = ~np.isnan(values)
    return np.where(there, values, 0.0).sum(-1) / np.maximum(there.sum(-1), 1)
