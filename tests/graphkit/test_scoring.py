"""Operators, comparators and losses: hand-typed numbers, extremes, and gradients against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from graphkit.comparators import COMPARATORS
from graphkit.losses import LOSSES
from graphkit.negatives import share_pool
from graphkit.operators import OPERATORS, modulus, n3_gradient, neutral

X = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
R = torch.tensor([[2.0, 0.0, -1.0, 5.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", [1.0, 2.0, 3.0, 4.0]),
        ("translation", [3.0, 2.0, 2.0, 9.0]),
        ("diagonal", [2.0, 0.0, -3.0, 20.0]),
        # (1 + 3i)(2 - i) = 5 + 5i;  (2 + 4i)(0 + 5i) = -20 + 10i
        ("complex_diagonal", [5.0, -20.0, 5.0, 10.0]),
    ],
)
def test_operators_by_hand(name: str, expected: list[float]) -> None:
    assert OPERATORS[name](X, R).tolist() == [expected]
    torch.testing.assert_close(OPERATORS[name](X, neutral(name, 4)[None]), X)
    if name != "identity":
        with pytest.raises(ValueError, match="r has shape"):
            OPERATORS[name](X.expand(3, 4), R)


def test_modulus() -> None:
    assert modulus("translation", -X).tolist() == X.tolist()
    torch.testing.assert_close(
        modulus("complex_diagonal", torch.tensor([[3.0, 0.0, 4.0, 2.0]])), torch.tensor([[5.0, 2.0]])
    )
    zero = torch.zeros(1, 4, requires_grad=True)
    modulus("complex_diagonal", zero).pow(3).sum().backward()
    assert zero.grad is not None
    assert zero.grad.tolist() == [[0.0] * 4]


@pytest.mark.parametrize("name", OPERATORS)
def test_n3_gradient_against_autograd(name: str) -> None:
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    occurrences = torch.tensor([1, 0, 2, 7, 1])
    (occurrences[:, None] * modulus(name, x).pow(3)).sum().backward()
    torch.testing.assert_close(n3_gradient(name, x.detach(), occurrences), x.grad)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dot", [[3.0, 0.0], [4.0, 0.0]]),
        ("cosine", [[0.6, 0.0], [1.0, 0.0]]),
        ("squared_l2", [[-20.0, -25.0], [-9.0, -16.0]]),
        ("l2", [[-math.sqrt(20.0), -5.0], [-3.0, -4.0]]),
    ],
)
def test_comparators_by_hand(name: str, expected: list[list[float]]) -> None:
    q, c = torch.tensor([[3.0, 4.0], [4.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(COMPARATORS[name](q, c), torch.tensor(expected), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="c has shape"):
        COMPARATORS[name](q, c[:, :1])


def test_losses_by_hand() -> None:
    scores, true = torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([0])
    e = math.exp
    assert float(LOSSES["softmax"](scores, true, 0.0)) == pytest.approx(-math.log(e(2) / (e(2) + 1 + e(1))))
    logistic = math.log(1 + e(-2)) + (math.log(2) + math.log(1 + e(1))) / 2
    assert float(LOSSES["logistic"](scores, true, 0.0)) == pytest.approx(logistic)
    # max(0, 1.5 - 2 + 0) = 0 and max(0, 1.5 - 2 + 1) = 0.5
    assert float(LOSSES["ranking"](scores, true, 1.5)) == pytest.approx(0.25)
    # A true score that high is no reason to lose what the negatives cost.
    huge = torch.tensor([[1e9, 0.0, 1.0]])
    assert float(LOSSES["logistic"](huge, true, 0.0)) == pytest.approx((math.log(2) + math.log(1 + e(1))) / 2)
    with pytest.raises(ValueError, match="true has shape"):
        LOSSES["softmax"](scores, torch.tensor([0, 1]), 0.0)
    with pytest.raises(ValueError, match="at least one negative"):
        LOSSES["softmax"](scores[:, :1], true, 0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_scores_stay_finite(name: str) -> None:
    scores = torch.tensor([[1e9, -1e9, 0.0], [-1e9, 1e9, 0.0]], requires_grad=True)
    loss = LOSSES[name](scores, torch.tensor([0, 0]), 1.0)
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("comparator", COMPARATORS)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_against_finite_differences(operator: str, comparator: str, loss: str) -> None:
    generator = torch.Generator().manual_seed(3)
    x, r, c = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (5, 5, 7))
    true = torch.tensor([0, 3, 6, 1, 1])

    def objective(x: torch.Tensor, r: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return LOSSES[loss](COMPARATORS[comparator](OPERATORS[operator](x, r), c), true, 0.7)

    for tensor in (x, r, c):
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(objective, (x, r, c), atol=1e-5)


def test_a_shared_pool_by_hand() -> None:
    edges = np.array([[7, 0, 3], [3, 2, 9]])
    pool = share_pool(edges, np.array([5, 3, 5]), relations=4)
    assert pool.entities.tolist() == [3, 5, 7, 9]  # each once, so no true answer is its own negative
    assert pool.entities[pool.given].tolist() == [7, 3, 3, 9]
    assert pool.entities[pool.true].tolist() == [3, 9, 7, 3]
    assert pool.relations[pool.asked].tolist() == [0, 2, 4, 6]
