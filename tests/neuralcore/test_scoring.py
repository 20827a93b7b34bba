"""Operators, comparators and losses: hand-typed numbers, extremes, and the written derivatives against autograd's."""

from __future__ import annotations

import math

import pytest
import torch

from neuralcore.scoring.apart import LOSSES_APART
from neuralcore.scoring.comparators import COMPARATORS, C, Q, into_ball
from neuralcore.scoring.losses import LOSSES, Answers
from neuralcore.scoring.operators import OPERATORS, regulariser, regulariser_gradient
from neuralcore.scoring.which_relation import PAIRINGS, which_relation, which_relation_gradient

X = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
R = torch.tensor([[9.0, 9.0, 9.0, 9.0], [2.0, 0.0, -1.0, 5.0]])
ROOT = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("name", "relations", "expected"),
    [
        ("identity", R, [1.0, 2.0, 3.0, 4.0]),
        ("translation", R, [3.0, 2.0, 2.0, 9.0]),
        ("diagonal", R, [2.0, 0.0, -3.0, 20.0]),
        # (1 + 3i)(2 - i) = 5 + 5i;  (2 + 4i)(0 + 5i) = -20 + 10i
        ("complex_diagonal", R, [5.0, -20.0, 5.0, 10.0]),
        # (1 + 3i) turned by 90 degrees is -3 + i, (2 + 4i) by 45 is (2 - 4 + 6i) / sqrt 2
        ("rotation", torch.tensor([[0.0, 0.0], [math.pi / 2, math.pi / 4]]), [-3.0, -2 * ROOT, 1.0, 6 * ROOT]),
    ],
)
def test_operators_by_hand(name: str, relations: torch.Tensor, expected: list[float]) -> None:
    operator = OPERATORS[name]
    torch.testing.assert_close(operator.forward(X, relations, torch.tensor([1])), torch.tensor([expected]))
    assert operator.width(4) == len(operator.neutral(4)) == (0 if name == "identity" else relations.shape[1])


def test_matrices_by_hand() -> None:
    x, asked = torch.tensor([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]]), torch.tensor([1, 0, 1])
    w = torch.tensor([[1.0, 2.0, 3.0, 4.0, 10.0, 20.0], [0.0, 1.0, -1.0, 0.0, 0.0, 0.5]])
    expected = torch.tensor([[2.0, -1.0], [2.0, 4.0], [0.0, -1.0]])
    torch.testing.assert_close(OPERATORS["linear"].forward(x, w[:, :4], asked), expected)
    torch.testing.assert_close(OPERATORS["affine"].forward(x, w, asked), expected + w[asked, 4:])


@pytest.mark.parametrize("name", OPERATORS)
def test_the_neutral_element_changes_nothing(name: str) -> None:
    operator = OPERATORS[name]
    torch.testing.assert_close(operator.forward(X, operator.neutral(4)[None], torch.tensor([0])), X)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_derivatives(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    operator = OPERATORS[name]
    x = torch.randn(7, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, operator.width(6), generator=generator, dtype=torch.float64, requires_grad=True)
    asked, dy = torch.tensor([2, 0, 2, 2, 0, 2, 0]), torch.randn(7, 6, generator=generator, dtype=torch.float64)
    expected = torch.autograd.grad(operator.forward(x, w, asked), (x, w), dy, materialize_grads=True)
    found = operator.backward(x.detach(), w.detach(), asked, dy)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("complex_numbers", [False, True])
def test_the_regularisers_derivative(complex_numbers: bool) -> None:
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[0] = 0.0
    x.requires_grad_()
    for n3, l2 in ((0.3, 0.0), (0.0, 0.2), (0.3, 0.2)):
        regulariser(x, complex_numbers, n3, l2).sum().backward()
        assert x.grad is not None
        torch.testing.assert_close(
            regulariser_gradient(x.detach(), complex_numbers, n3, l2), x.grad, atol=1e-9, rtol=0
        )
        x.grad = None
    # |3 + 4i|³ + |0 + 2i|³ = 125 + 8
    assert float(regulariser(torch.tensor([[3.0, 0.0, 4.0, 2.0]]), True, 1.0, 0.0)) == pytest.approx(133.0)


@pytest.mark.parametrize("candidates", [7, 41])
@pytest.mark.parametrize("name", ["dot", "squared_l2", "l2"])
def test_candidates_in_bfloat16(name: str, candidates: int) -> None:
    """Eight bits of a number, and sums in float32: near what float32 gives, and in float32."""
    generator = torch.Generator().manual_seed(2)
    q, c, ds = (torch.randn(*shape, generator=generator) for shape in ((5, 90), (candidates, 90), (5, candidates)))
    c[0] = q[0] + 0.1  # a near one among those that are far
    compare = COMPARATORS[name]
    exact, found = compare.forward(q, c), compare.forward(q, c.bfloat16())
    pairs = zip(
        (found, *compare.backward(q, c.bfloat16(), found, ds.clone())), (exact, *compare.backward(q, c, exact, ds))
    )
    for one, other in pairs:
        assert one.dtype == torch.float32
        assert not torch.equal(one, other)
        assert float((one - other).norm() / other.norm()) < 0.02


def test_which_relation_by_hand() -> None:
    """DistMult: x·c = (2, 3), so the relations score 2, 3 and 5."""
    x, c, w = (
        torch.tensor([[1.0, 3.0]]),
        torch.tensor([[2.0, 1.0]]),
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    )
    found = which_relation(OPERATORS["diagonal"], x, w, c, torch.tensor([1]), torch.tensor([2.0]))
    expected = 2.0 * (math.log(math.exp(2) + math.exp(3) + math.exp(5)) - 3.0)
    assert float(found[0]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", PAIRINGS)
def test_which_relation_derivatives(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    x, w, c = (
        (scale * torch.randn(n, 6, generator=generator, dtype=torch.float64)).requires_grad_()
        for n, scale in ((5, 1.0), (4, 3.0), (5, 9.0))
    )
    asked, weight = torch.tensor([3, 0, 1, 3, 2]), torch.tensor([1.0, 2.0, 0.5, 1.0, 0.0], dtype=torch.float64)
    losses = which_relation(OPERATORS[name], x, w, c, asked, weight)
    expected = (losses, *torch.autograd.grad(losses.sum(), (x, w, c)))
    found = which_relation_gradient(name, x.detach(), w.detach(), c.detach(), asked, weight)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dot", [[3.0, 0.0], [4.0, 0.0]]),
        ("cos", [[0.6, 0.0], [1.0, 0.0]]),
        ("squared_l2", [[-20.0, -25.0], [-9.0, -16.0]]),
        ("l2", [[-math.sqrt(20.0), -5.0], [-3.0, -4.0]]),
    ],
)
def test_comparators_by_hand(name: str, expected: list[list[float]]) -> None:
    q, c = torch.tensor([[3.0, 4.0], [4.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(COMPARATORS[name].forward(q, c), torch.tensor(expected), atol=1e-4, rtol=0)


def test_hyperbolic_distance_by_hand() -> None:
    """From the middle it is 2 artanh |c|, and along a line it adds up."""
    q, c = torch.tensor([[0.0, 0.0], [0.3, 0.0]]), torch.tensor([[0.6, 0.0], [0.0, -0.8]])
    found = COMPARATORS["poincare"].forward(q, c)
    torch.testing.assert_close(found[0], torch.tensor([-2 * math.atanh(0.6), -2 * math.atanh(0.8)]))
    assert float(found[1, 0]) == pytest.approx(2 * math.atanh(0.3) - 2 * math.atanh(0.6), rel=1e-5)


def test_what_left_the_ball_is_put_back() -> None:
    x = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(into_ball(x), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]), atol=1e-4, rtol=0)
    assert float(into_ball(x).norm(dim=1).max()) < 1.0


@pytest.mark.parametrize("candidates", [7, 41])  # a few, and more than MANY times the questions
@pytest.mark.parametrize("name", COMPARATORS)
def test_comparators_derivatives(name: str, candidates: int) -> None:
    generator = torch.Generator().manual_seed(1)
    scale = 0.15 if COMPARATORS[name].ball else 1.0
    q, c = (
        (scale * torch.randn(n, 6, generator=generator, dtype=torch.float64)).requires_grad_()
        for n in (5, candidates)
    )
    ds = torch.randn(5, candidates, generator=generator, dtype=torch.float64)
    scores = COMPARATORS[name].forward(q, c)
    expected = torch.autograd.grad(scores, (q, c), ds)
    found = COMPARATORS[name].backward(q.detach(), c.detach(), scores.detach(), ds.clone())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    for i, side in enumerate((Q, C)):
        found = COMPARATORS[name].backward(q.detach(), c.detach(), scores.detach(), ds.clone(), side)
        torch.testing.assert_close(found[i], expected[i])


def one_answer(scores: torch.Tensor, columns: list[int]) -> Answers:
    return Answers(torch.arange(len(columns)), torch.tensor(columns), torch.ones(len(columns), dtype=scores.dtype))


def test_losses_by_hand() -> None:
    scores, e = torch.tensor([[2.0, 0.0, 1.0]]), math.exp
    answers = one_answer(scores, [0])
    assert float(LOSSES["softmax"].forward(scores, answers, 0.0)) == pytest.approx(
        -math.log(e(2) / (e(2) + 1 + e(1)))
    )
    logistic = math.log(1 + e(-2)) + (math.log(2) + math.log(1 + e(1))) / 2
    assert float(LOSSES["logistic"].forward(scores, answers, 0.0)) == pytest.approx(logistic)
    # max(0, 1.5 - 2 + 0) = 0 and max(0, 1.5 - 2 + 1) = 0.5
    assert float(LOSSES["ranking"].forward(scores, answers, 1.5)) == pytest.approx(0.25)
    # A true score that high is no reason to lose what the negatives cost.
    huge = torch.tensor([[1e9, 0.0, 1.0]])
    cost = (math.log(2) + math.log(1 + e(1))) / 2
    assert float(LOSSES["logistic"].forward(huge, answers, 0.0)) == pytest.approx(cost)


def test_known_answers_are_no_negatives() -> None:
    """Answers 2.0, of weight 3, and 1.0; the entity at 5.0 is known, too; what is left to beat is 0.0 and 0.5."""
    scores, e = torch.tensor([[2.0, 5.0, 0.0, 1.0, 0.5]]), math.exp
    answers = Answers(torch.tensor([0, 0]), torch.tensor([0, 3]), torch.tensor([3.0, 1.0]))
    known = answers._replace(known=(torch.tensor([0, 0, 0]), torch.tensor([0, 1, 3])))
    left = 1 + e(0.5)
    expected = [-3 * math.log(e(2) / (e(2) + left)), -math.log(e(1) / (e(1) + left))]
    assert LOSSES["softmax"].forward(scores, known, 0.0).tolist() == pytest.approx(expected)
    expected = [3 * (1 - 2 + 0 + 1 - 2 + 0.5) * 0 / 2, (0 + 0.5) / 2]
    assert LOSSES["ranking"].forward(scores, known, 1.0).tolist() == pytest.approx(expected)
    everything = sum(e(s) for s in (2.0, 5.0, 0.0, 1.0, 0.5))
    expected = [-3 * math.log(e(2) / everything), -math.log(e(1) / everything)]
    assert LOSSES["softmax"].forward(scores, answers, 0.0).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["one", "several", "known"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_derivatives(name: str, kind: str) -> None:
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn(4, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    if kind == "one":
        answers = one_answer(scores, [3, 0, 8, 3])
    else:
        question, column = torch.tensor([0, 0, 1, 2, 3, 3]), torch.tensor([1, 8, 0, 5, 2, 3])
        weight = torch.rand(6, generator=generator, dtype=torch.float64)
        known = (torch.tensor([0, 0, 0, 1, 2, 3, 3]), torch.tensor([1, 8, 4, 0, 5, 2, 3]))
        answers = Answers(question, column, weight, known if kind == "known" else None)
    losses = LOSSES[name].forward(scores, answers, 0.7)
    (expected,) = torch.autograd.grad(losses.sum(), scores)
    found, gradient = LOSSES[name].backward(scores.detach().clone(), answers, 0.7)
    torch.testing.assert_close(found, losses.detach())
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_scores_stay_finite(name: str) -> None:
    scores = torch.tensor([[1e9, -1e9, 0.0], [-1e9, 1e9, 0.0]])
    losses, gradient = LOSSES[name].backward(scores, one_answer(scores, [0, 0]), 1.0)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_question_without_negatives_learns_nothing_from_them(name: str) -> None:
    scores = torch.tensor([[0.5]])
    losses, gradient = LOSSES[name].backward(scores, one_answer(scores, [0]), 1.0)
    expected = math.log(1 + math.exp(-0.5)) if name == "logistic" else 0.0
    assert float(losses) == pytest.approx(expected)
    assert float(gradient) == pytest.approx(-1 / (1 + math.exp(0.5)) if name == "logistic" else 0.0)


def test_losses_by_still_candidates_by_hand() -> None:
    """One still candidate judges; of three that move the first is the answer, the last does so twice."""
    e = math.exp
    still, own, moving = torch.tensor([[0.5]]), torch.tensor([2.0]), torch.tensor([[2.0, 0.0, 3.0]])
    rest = (torch.tensor([0]), torch.tensor([3.0]), torch.tensor([1.0, 1.0, 2.0]))
    z = math.log(e(2) + e(0.5))
    found = LOSSES_APART["softmax"].backward(still.clone(), own, moving.clone(), *rest, 0.0)
    share = 3 * e(0.5 - z)
    assert [float(part) for part in found[:3]] == pytest.approx([3 * (z - 2), share, -share], rel=1e-5)
    assert found[3][0].tolist() == pytest.approx([0.0, 3 / (1 + e(z)), 6 / (1 + e(z - 3))], rel=1e-5)
    found = LOSSES_APART["ranking"].backward(still.clone(), own, moving.clone(), *rest, 1.0)
    assert [float(part) for part in found[:3]] == [0.0, 0.0, 0.0]
    assert found[3][0].tolist() == [0.0, 0.0, 6.0]


@pytest.mark.parametrize("name", LOSSES_APART)
def test_losses_by_still_candidates_derivatives(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    still, moving = (torch.randn(4, n, generator=generator, dtype=torch.float64) for n in (3, 6))
    still[1, 2] = -torch.inf  # which is the answer itself
    column, (weight, times) = (
        torch.tensor([2, 0, 5, 2]),
        (torch.rand(n, generator=generator).double() for n in (4, 6)),
    )
    own = moving.gather(1, column[:, None])[:, 0]
    scores = [part.clone().requires_grad_() for part in (still, own, moving)]
    losses, potential = LOSSES_APART[name].forward(*scores, column, weight, times, 0.7)
    expected = torch.autograd.grad(losses.sum() + potential.sum(), scores)
    found, *gradients = LOSSES_APART[name].backward(still, own, moving, column, weight, times, 0.7)
    torch.testing.assert_close(found, losses.detach())
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other)
    extreme = torch.tensor([[1e9, -1e9]]), torch.tensor([-1e9]), torch.tensor([[-1e9, 1e9, 0.0]])
    for part in LOSSES_APART[name].backward(*extreme, torch.tensor([0]), torch.ones(1), torch.ones(3), 1.0):
        assert part.isfinite().all()
