"""Losses against loops over pairs and triplets, and by hand; their gradients exist where distances are 0."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from neuralcore.pretraining.losses import batch_hard, nt_xent, pairwise, semi_hard, triplet

FEATURES = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])  # of class 3 there is one


def apart(i: int, j: int) -> float:
    return float((FEATURES[i] - FEATURES[j]).norm())


def test_pairs_by_hand() -> None:
    first = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    second = torch.tensor([[3.0, 4.0], [0.6, 0.8], [1.0, 1.0], [3.0, 4.0]])
    same = torch.tensor([True, False, False, False])
    assert pairwise(first, second, same, 2.0).tolist() == pytest.approx([12.5, 0.5, 2.0, 0.0])


def test_triplets_by_hand() -> None:
    anchor, positive = torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    negative = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    assert triplet(anchor, positive, negative, 0.5).tolist() == [0.0, 1.5]


@pytest.mark.parametrize("margin", [0.3, None])
def test_the_hardest_of_a_batch(margin: float | None) -> None:
    expected = []
    for i in range(9):
        mine = [apart(i, j) for j in range(9) if j != i and LABELS[j] == LABELS[i]]
        others = [apart(i, j) for j in range(9) if LABELS[j] != LABELS[i]]
        if not mine:
            expected.append(0.0)
            continue
        over = max(mine) - min(others)
        expected.append(math.log1p(math.exp(over)) if margin is None else max(0.0, over + margin))
    assert batch_hard(FEATURES, LABELS, margin).tolist() == pytest.approx(expected, rel=1e-5)
    assert batch_hard(FEATURES, torch.zeros(9), margin).tolist() == [0.0] * 9  # no other class


def test_semi_hard_negatives() -> None:
    losses = []
    for a, p in itertools.permutations(range(9), 2):
        if LABELS[a] != LABELS[p]:
            continue
        near = apart(a, p) ** 2
        others = [apart(a, n) ** 2 for n in range(9) if LABELS[n] != LABELS[a]]
        far = min((d for d in others if d > near), default=max(others))
        losses.append(max(0.0, near - far + 0.2))
    assert any(losses)
    assert float(semi_hard(FEATURES, LABELS, 0.2)) == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(semi_hard(FEATURES, torch.zeros(9), 0.2)) == 0.0
    assert float(semi_hard(FEATURES, torch.arange(9), 0.2)) == 0.0


def test_nt_xent_is_a_loop_over_views() -> None:
    first, second = FEATURES[:4], FEATURES[4:8]
    views = torch.cat([first, second]).double()
    views = views / views.norm(dim=1, keepdim=True)
    expected = []
    for i in range(8):
        odds = [math.exp(float(views[i] @ views[j]) / 0.3) if j != i else 0.0 for j in range(8)]
        expected.append(-math.log(odds[(i + 4) % 8] / sum(odds)))
    assert nt_xent(first, second, 0.3).tolist() == pytest.approx(expected, rel=1e-5)


def test_gradients_where_two_are_one() -> None:
    features = torch.ones(4, 2, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    total = batch_hard(features, labels, 0.1).sum() + semi_hard(features, labels)
    total = total + pairwise(features[:2], features[2:], labels[:2] == labels[2:]).sum()
    total.backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    with pytest.raises(ValueError, match="labels has shape"):
        batch_hard(features, labels[:, None])
