"""The loss over a vocabulary, in pieces, against torch's over all at once."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from neuralcore.sequence.vocabulary_loss import vocabulary_loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("count", [1, 255, 700])
def test_it_is_the_cross_entropy(count: int, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(count)
    hidden = torch.randn(count, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(13, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.randint(13, (count,), generator=generator)
    found = vocabulary_loss(hidden, weight, targets, smoothing=smoothing)
    scores = hidden @ weight.T
    expected = F.cross_entropy(scores, targets, label_smoothing=smoothing)
    torch.testing.assert_close(found.loss, expected)
    torch.testing.assert_close(found.nats, F.cross_entropy(scores, targets))
    assert float(found.right) == pytest.approx(float((scores.argmax(1) == targets).double().mean()))
    mine = torch.autograd.grad(3.0 * found.loss, (hidden, weight))
    theirs = torch.autograd.grad(3.0 * expected, (hidden, weight))
    for a, b in zip(mine, theirs):
        torch.testing.assert_close(a, b)
    with torch.no_grad():
        torch.testing.assert_close(vocabulary_loss(hidden, weight, targets, smoothing=smoothing).loss, expected)


def test_in_bfloat16_it_is_about_that() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(300, 16, generator=generator, requires_grad=True)
    weight = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(50, (300,), generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        found = vocabulary_loss(hidden, weight, targets).loss
    expected = F.cross_entropy(hidden @ weight.T, targets)
    assert found.dtype == torch.float32
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=0.01)
    mine, theirs = torch.autograd.grad(found, weight)[0], torch.autograd.grad(expected, weight)[0]
    assert float((mine - theirs).norm() / theirs.norm()) < 0.02


def test_far_scores_stay_numbers() -> None:
    hidden = torch.tensor([[1e4, 0.0]], requires_grad=True)
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    found = vocabulary_loss(hidden, weight, torch.tensor([1]))
    assert float(found.loss.detach()) == pytest.approx(2e4)
    found.loss.backward()
    torch.testing.assert_close(hidden.grad, torch.tensor([[2.0, 0.0]]))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="targets"):
        vocabulary_loss(torch.zeros(3, 2), torch.zeros(4, 2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="weight"):
        vocabulary_loss(torch.zeros(3, 2), torch.zeros(4, 5), torch.zeros(3, dtype=torch.int64))
