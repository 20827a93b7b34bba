"""Losses and figures, held to formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from neuralcore.fitting.losses import balanced_weights, cross_entropy, hinge
from neuralcore.fitting.metrics import bootstrapped, calibration, classification, confusion, proportion


def batch(count: int = 9, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(count, classes, generator=generator), torch.randint(classes, (count,), generator=generator)


def test_cross_entropy_with_smoothing_and_focus() -> None:
    logits, labels = batch()
    torch.testing.assert_close(cross_entropy(logits, labels), F.cross_entropy(logits, labels, reduction="none"))
    smoothed = F.cross_entropy(logits, labels, reduction="none", label_smoothing=0.2)
    torch.testing.assert_close(cross_entropy(logits, labels, smoothing=0.2), smoothed)
    torch.testing.assert_close(cross_entropy(logits, labels, smoothing=0.2, focus=1e-9), smoothed)
    p = logits.softmax(1)[torch.arange(9), labels]
    torch.testing.assert_close(cross_entropy(logits, labels, focus=2.0), -((1 - p) ** 2) * p.log())
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(
        cross_entropy(logits, labels, weight=weight),
        weight[labels] * F.cross_entropy(logits, labels, reduction="none"),
    )


def test_hinge_by_a_loop() -> None:
    logits, labels = batch()
    expected = [sum(max(0.0, float(s[k] - s[y]) + 1.0) for k in range(4) if k != y) for s, y in zip(logits, labels)]
    torch.testing.assert_close(hinge(logits, labels), torch.tensor(expected))


def test_balanced_weights_have_mean_1() -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    weights = balanced_weights(labels, 3)
    assert float(weights[labels].mean()) == pytest.approx(1.0)
    assert float(weights[1] / weights[0]) == pytest.approx(2.0)


def test_wilsons_interval() -> None:
    found = proportion(81, 263)  # Newcombe 1998, table I: .2553 to .3662
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert proportion(0, 20).low == 0.0
    assert round(proportion(0, 20).high, 4) == 0.1611
    assert math.isnan(proportion(0, 0).value)


def test_a_bootstrap_of_means() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 400)
    found = bootstrapped(values)
    half = 1.96 * values.std() / 20.0
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_calibration_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    found = calibration(probabilities, np.array([0, 1, 1, 0]), bins=2)
    assert found.counts.tolist() == [0, 4]
    assert found.error == pytest.approx(abs(0.5 - 0.75))
    exact = np.random.default_rng(0)
    p = exact.uniform(0.5, 1.0, 40_000)
    labels = (exact.random(40_000) > p).astype(int)
    assert calibration(np.stack([p, 1 - p], 1), labels).error < 0.01


def test_figures_of_a_classifier() -> None:
    logits, labels = batch(50, 7)
    found = classification(logits.numpy(), labels.numpy())
    assert found["loss"] == pytest.approx(float(F.cross_entropy(logits.double(), labels)))
    assert found["accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    top = logits.topk(5).indices
    assert found["top_5"] == pytest.approx(float((top == labels[:, None]).any(1).float().mean()))
    matrix = confusion(labels.numpy(), logits.argmax(1).numpy(), 7)
    assert matrix.sum() == 50
    assert np.trace(matrix) == round(50 * found["accuracy"])
