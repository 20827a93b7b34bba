"""The linear probe: what features are worth is how well a linear classifier on them does, all else frozen.

Logistic regression by L-BFGS on standardised features, its penalty chosen on a part of the training examples that is
put aside. Axes: N examples, F features, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.fitting.metrics import Interval, proportion
from neuralcore.shape import match_shape

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
ASIDE = 0.2  # share of the training examples by which the penalty is chosen


class Linear(NamedTuple):
    """A linear classifier.

    Attributes:
        weight: (F, K). bias: (K,). Both float64.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def accuracy(self, features: torch.Tensor, labels: torch.Tensor) -> Interval:
        """Of features (N, F), with Wilson's interval."""
        right = (features.double() @ self.weight + self.bias).argmax(1) == labels
        return proportion(int(right.sum()), len(labels))


def logistic_regression(
    features: torch.Tensor, labels: torch.Tensor, classes: int, penalty: float, steps: int = 200
) -> Linear:
    """The minimum of the mean cross entropy + ½ penalty |weight|²; strictly convex in the weight, so there is one."""
    count, width = match_shape(features, -1, -1, name="features")
    match_shape(labels, count, name="labels")
    features = features.double()
    weight = torch.zeros(width, classes, dtype=torch.float64, device=features.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, device=features.device, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=steps, tolerance_grad=1e-7, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(features @ weight + bias, labels) + 0.5 * penalty * weight.pow(2).sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return Linear(weight.detach(), bias.detach())


class Probe(NamedTuple):
    """What a probe found.

    Attributes:
        accuracy: of the test examples. penalty: that was chosen.
    """

    accuracy: Interval
    penalty: float


def linear_probe(
    features: torch.Tensor,
    labels: torch.Tensor,
    test_features: torch.Tensor,
    test_labels: torch.Tensor,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    seed: int = 0,
) -> Probe:
    """Fit on features (N, F) with labels (N,), judge by others.

    Args:
        penalties: among which one is chosen on a fifth of the N; one needs no choice. seed: of that fifth.
    """
    classes = int(max(labels.max(), test_labels.max())) + 1
    mean, std = features.mean(0), features.std(0).clamp_min(1e-6)
    features, test_features = (features - mean) / std, (test_features - mean) / std
    best = penalties[0]
    if len(penalties) > 1:
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(features))).to(features.device)
        aside, rest = order[: max(round(ASIDE * len(order)), 1)], order[max(round(ASIDE * len(order)), 1) :]

        def score(penalty: float) -> float:
            found = logistic_regression(features[rest], labels[rest], classes, penalty)
            return found.accuracy(features[aside], labels[aside]).value

        best = max(penalties, key=score)
    found = logistic_regression(features, labels, classes, best)
    return Probe(found.accuracy(test_features, test_labels), best)
