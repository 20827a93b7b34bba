"""How well a classifier does, with how sure one can be of it.

Axes: N examples, K classes, M bins.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from neuralcore.shape import match_shape


class Interval(NamedTuple):
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def proportion(successes: int, count: int) -> Interval:
    """A share with Wilson's interval (1927), which stays within [0, 1]; of the split's examples as a sample."""
    if count == 0:
        return Interval(math.nan, math.nan, math.nan)
    z, p = 1.959964, successes / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return Interval(p, max(middle - half, 0.0), min(middle + half, 1.0))


def bootstrapped(values: np.ndarray, seed: int = 0, draws: int = 2_000) -> Interval:
    """The mean of values (N,) with the percentile interval of its bootstrap (Efron 1979), for few or skewed ones."""
    match_shape(values, -1, name="values")
    generator = np.random.default_rng(seed)
    means = np.array([values[generator.integers(len(values), size=len(values))].mean() for _ in range(draws)])
    return Interval(float(values.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975)))


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) int64: how many of class i (row) were taken for class j (column)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


class Calibration(NamedTuple):
    """What a classifier's confidence is worth.

    Attributes:
        error: the expected calibration error, Σ_m share_m |accuracy_m - confidence_m| (Guo et al. 2017, eq. 3).
        counts, accuracy, confidence: (M,) of the bins of confidence (0, 1/M], (1/M, 2/M], …; NaN for none.
    """

    error: float
    counts: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray


def calibration(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> Calibration:
    """Of probabilities (N, K) and labels (N,)."""
    top = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    at = np.clip(np.ceil(top * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    with np.errstate(invalid="ignore"):
        accuracy = np.bincount(at, right, bins) / counts
        confidence = np.bincount(at, top, bins) / counts
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / max(len(labels), 1))
    return Calibration(error, counts, accuracy, confidence)


def classification(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The figures of logits (N, K): accuracy with its interval, top-5 where K > 5, log loss, calibration error."""
    logits = logits.astype(np.float64)
    count, classes = match_shape(logits, -1, -1, name="logits")
    shifted = logits - logits.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    right = proportion(int((logits.argmax(1) == labels).sum()), count)
    found = {"accuracy": right.value, "accuracy_low": right.low, "accuracy_high": right.high}
    own = logits[np.arange(count), labels]
    if classes > 5:
        found["top_5"] = float(((logits > own[:, None]).sum(1) < 5).mean())
    found["loss"] = float(-logs[np.arange(count), labels].mean())
    found["calibration_error"] = calibration(np.exp(logs), labels).error
    return found
