"""How sure a comparison over few runs can be (Agarwal et al. 2021, Deep RL at the edge of the statistical precipice).

Scores of an algorithm are a list of tasks, each an array of its runs' scores. The interquartile mean looks at the
middle half of all runs: sturdier than the mean against a run that fell over, and less wasteful than the median.
Intervals come from a stratified bootstrap: runs are drawn anew within each task, so that no task is over-represented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 10_000
Statistic = Callable[[np.ndarray], np.ndarray]  # (…, R) scores of R runs -> (…)


def mean(scores: np.ndarray) -> np.ndarray:
    """Mean over the last axis."""
    return scores.mean(axis=-1)


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean over the last axis without its lowest and highest quarter; R // 4 runs of R are left out at each end."""
    cut = scores.shape[-1] // 4
    ordered = np.sort(scores, axis=-1)
    return ordered[..., cut : scores.shape[-1] - cut].mean(axis=-1)


def stratified_interval(
    tasks: Sequence[np.ndarray],
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic over all runs of all tasks.

    Args:
        tasks: (R_task,) scores for each task. statistic: of all scores together.

    Returns:
        (low, high).
    """
    generator = np.random.default_rng(seed)
    drawn = np.concatenate([_resampled(task, resamples, generator) for task in tasks], axis=1)
    low, high = np.quantile(statistic(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values` (E,) (Efron & Tibshirani 1993)."""
    return stratified_interval([values], mean, confidence=confidence)


def probability_of_improvement(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """How likely a run of ours scores higher than one of theirs on a task drawn at random, ties counted half.

    Args:
        ours, theirs: for each task (R,) and (Q,) scores.
    """
    return float(np.mean([_wins(a[None], b[None])[0] for a, b in zip(ours, theirs, strict=True)]))


def improvement_interval(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    *,
    confidence: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Stratified bootstrap interval of the probability of improvement."""
    generator = np.random.default_rng(seed)
    wins = [
        _wins(_resampled(a, resamples, generator), _resampled(b, resamples, generator))
        for a, b in zip(ours, theirs, strict=True)
    ]
    low, high = np.quantile(np.mean(wins, axis=0), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _resampled(scores: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """(resamples, R) scores drawn with replacement from (R,)."""
    return scores[generator.integers(len(scores), size=(resamples, len(scores)))]


def _wins(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(M,) share of pairs in which ours (M, R) is above theirs (M, Q), ties counted half."""
    difference = ours[:, :, None] - theirs[:, None, :]
    return ((difference > 0) + 0.5 * (difference == 0)).mean(axis=(1, 2))
