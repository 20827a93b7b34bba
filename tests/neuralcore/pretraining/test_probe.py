"""The linear probe: at its minimum the gradient is 0, and figures are those of what can be told."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from neuralcore.pretraining.probe import linear_probe, logistic_regression


def blobs(count: int, classes: int, width: int, seed: int, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.eye(classes, width)
    return centres[labels] + spread * torch.randn(count, width, generator=generator), labels


def test_the_minimum_of_the_penalised_loss() -> None:
    features, labels = blobs(60, 3, 4, 0, 0.7)
    found = logistic_regression(features, labels, 3, 0.05)
    weight, bias = found.weight.clone().requires_grad_(), found.bias.clone().requires_grad_()
    loss = F.cross_entropy(features.double() @ weight + bias, labels) + 0.025 * weight.pow(2).sum()
    for gradient in torch.autograd.grad(loss, [weight, bias]):
        assert float(gradient.abs().max()) < 1e-6
    stiffer = logistic_regression(features, labels, 3, 0.5)
    assert stiffer.weight.norm() < 0.6 * found.weight.norm()


def test_what_can_be_told_is_told() -> None:
    train, test = blobs(200, 4, 6, 0, 0.15), blobs(400, 4, 6, 1, 0.15)
    assert linear_probe(*train, *test).accuracy.value > 0.97
    noise = torch.randn(200, 6, generator=torch.Generator().manual_seed(2))
    found = linear_probe(noise, train[1], torch.randn(400, 6, generator=torch.Generator().manual_seed(3)), test[1])
    assert found.accuracy.value == pytest.approx(0.25, abs=0.08)
    assert linear_probe(*train, *test, penalties=(0.01,)).penalty == 0.01


def test_scale_and_place_of_features_do_not_matter() -> None:
    (features, labels), (others, wanted) = blobs(80, 3, 5, 0, 0.6), blobs(200, 3, 5, 1, 0.6)
    factor, shift = torch.tensor([1e3, 1.0, 1e-3, 7.0, 1.0]), torch.tensor([5.0, 0.0, -3.0, 0.0, 1.0])
    one = linear_probe(features, labels, others, wanted)
    two = linear_probe(features * factor + shift, labels, others * factor + shift, wanted)
    assert one.accuracy.value == pytest.approx(two.accuracy.value, abs=0.01)
