"""Node classification: labels of nodes told from their vectors alone, as DeepWalk and node2vec are measured.

Perozzi, Al-Rfou & Skiena 2014, https://arxiv.org/abs/1403.6652, section 6. A share of the labelled nodes, drawn at
random, trains one logistic regression a label (one against the rest); the other labelled nodes are asked. How many
labels an asked node has is given, and as many of the highest probability are predicted. Micro F1 counts all
decisions together, macro F1 is the mean of the labels' own.

The regressions are those of LIBLINEAR, which the authors used, with its default C = 1 (Fan et al. 2008,
https://www.jmlr.org/papers/v9/fan08a.html, equation 1): of all (w, b) the one that minimises

    1/2 (|w|^2 + b^2) + C sum_i log(1 + exp(-y_i (w x_i + b))),    y_i = 1 or -1,

on the vectors as they are, not at length one and not standardised. The step to the minimum is Newton's, so no
tolerance of a first-order method shows in the figures. A label that no training node has is never predicted.
Threads take a split each, and every matrix product runs on one: the figures do not depend on their number.

Axes: N nodes, D dimension, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from neuralcore.device import one_thread_each
from neuralcore.errors import UserError
from neuralcore.seeding import derived_seed
from neuralcore.shape import match_shape

FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
NEWTON_STEPS = 100  # never reached: 5 to 8 is usual
TOLERANCE = 1e-6  # of the gradient's length at the start


class F1(NamedTuple):
    """Both means, between 0 and 1."""

    micro: float
    macro: float


@dataclass(frozen=True)
class Classification:
    """F1 at one share of training nodes: the mean over the splits, and their standard deviation (of a sample)."""

    fraction: float
    splits: int
    micro: float
    micro_std: float
    macro: float
    macro_std: float


def classify_nodes(
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    fractions: Sequence[float] = FRACTIONS,
    splits: int = 10,
    c: float = 1.0,
    seed: int = 0,
) -> list[Classification]:
    """Train on a share of the nodes and ask for the rest, at each fraction on several random splits.

    Args:
        vectors: (N, D) of the labelled nodes.
        labels: (N, L) bool, at least one true in each row.
        fractions: shares of the nodes to train on, above 0 and below 1.
        splits: at each fraction. Split i is the same permutation of the nodes for all fractions.
        c: weight of the errors against that of the regulariser.
        seed: of the splits.

    Raises:
        UserError: a setting is out of bounds, a vector is not finite, or a fraction leaves no node on one side.
    """
    nodes, _ = match_shape(vectors, -1, -1, name="vectors")
    match_shape(labels, nodes, -1, name="labels")
    if splits < 1:
        raise UserError(f"splits must be 1 or more, got {splits}")
    if not 0.0 < c < np.inf:
        raise UserError(f"c must be above 0, got {c}")
    if not labels.any(axis=1).all():
        raise UserError(f"node {int((~labels.any(axis=1)).argmax())} has no label: leave such nodes out")
    if not np.isfinite(vectors).all():
        row = int((~np.isfinite(vectors).all(axis=1)).argmax())
        raise UserError(f"the vector of node {row} is not finite: train again, at a lower learning_rate")
    for fraction in fractions:
        if not 0.0 < fraction < 1.0 or not 1 <= int(fraction * nodes) < nodes:
            raise UserError(
                f"fraction {fraction} of {nodes:,} labelled nodes leaves none to train on, or none to ask"
            )
    orders = [np.random.default_rng(derived_seed(seed, "split", i)).permutation(nodes) for i in range(splits)]

    def score(fraction: float, order: np.ndarray) -> F1:
        return _score(vectors, labels, order, int(fraction * nodes), c)

    asked = [(fraction, order) for fraction in fractions for order in orders]
    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        scores = np.array(list(pool.map(score, *zip(*asked)))).reshape(len(fractions), splits, 2)
    means = scores.mean(axis=1).tolist()
    deviations = scores.std(axis=1, ddof=1).tolist() if splits > 1 else [[math.nan] * 2] * len(means)
    return [
        Classification(float(fraction), splits, micro, micro_std, macro, macro_std)
        for fraction, (micro, macro), (micro_std, macro_std) in zip(fractions, means, deviations)
    ]


def _score(vectors: np.ndarray, labels: np.ndarray, order: np.ndarray, count: int, c: float) -> F1:
    train, test = order[:count], order[count:]
    weights = logistic_regression(vectors[train], labels[train], c)
    scores = (_with_bias(vectors[test]) @ torch.from_numpy(weights).T).numpy()
    scores[:, ~labels[train].any(axis=0)] = -np.inf
    return f1(labels[test], top_labels(scores, labels[test].sum(axis=1)))


def logistic_regression(vectors: np.ndarray, labels: np.ndarray, c: float = 1.0) -> np.ndarray:
    """(L, D + 1) float64: of each label the weights, the bias the last, which minimise what is said above.

    Newton's method with the step halved while it does not descend enough (Armijo); the problem is strictly convex.

    Args:
        vectors: (N, D). labels: (N, L) bool.
    """
    inputs = _with_bias(vectors)
    signs = torch.from_numpy(np.where(labels.T, 1.0, -1.0))
    return torch.stack([_newton(inputs, sign, c) for sign in signs]).numpy()


def _with_bias(vectors: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.pad(vectors.astype(np.float64), ((0, 0), (0, 1)), constant_values=1.0))


def _newton(inputs: torch.Tensor, sign: torch.Tensor, c: float) -> torch.Tensor:
    """(D + 1,) of one label; `sign` (N,) is 1 or -1."""
    weights, margin = inputs.new_zeros(inputs.shape[1]), inputs.new_zeros(len(inputs))  # margin: y (w x + b)
    value, first = c * len(inputs) * math.log(2.0), 0.0
    for _ in range(NEWTON_STEPS):
        wrong = torch.sigmoid(-margin)  # the probability given to the other answer
        gradient = weights - c * (inputs.T @ (sign * wrong))
        length = float(gradient.norm())
        first = first or length
        if length <= TOLERANCE * first:
            break
        hessian = inputs.T @ (inputs * (c * wrong * (1.0 - wrong))[:, None])
        hessian.diagonal().add_(1.0)
        step = -torch.linalg.solve(hessian, gradient)
        along, slope, size = sign * (inputs @ step), float(gradient @ step), 1.0
        while True:
            tried, reach = weights + size * step, margin + size * along
            reached = 0.5 * float(tried @ tried) - c * float(torch.nn.functional.logsigmoid(reach).sum())
            if reached <= value + 1e-4 * size * slope or size < 1e-10:
                break
            size /= 2.0
        weights, margin, value = tried, reach, reached
    return weights


def top_labels(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N, L) bool: in each row the `counts[i]` highest scores, of equal ones the first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    chosen = np.arange(scores.shape[1])[None, :] < counts[:, None]
    found = np.zeros(scores.shape, bool)
    np.put_along_axis(found, order, chosen, axis=1)
    return found


def f1(labels: np.ndarray, predicted: np.ndarray) -> F1:
    """F1 = 2 true positives / (predicted + there), of all together and as the mean of the L labels'.

    A label that is neither there nor predicted counts 0, as in scikit-learn's `f1_score(zero_division=0)`.
    """
    both = (labels & predicted).sum(axis=0)
    either = labels.sum(axis=0) + predicted.sum(axis=0)
    own = 2.0 * both / np.maximum(either, 1)
    return F1(float(2.0 * both.sum() / max(int(either.sum()), 1)), float(own.mean()))
