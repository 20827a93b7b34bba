"""Ops `glove`, `cooccurrences` and `sparse_sum`: by hand, by automatic differentiation, and at their doors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from neuralcore.kernels.cooccurrences import cooccurrences
from neuralcore.kernels.glove import Factor, glove
from neuralcore.kernels.sparse_sum import sparse_sum

FAST = ["reference", "cpu"]


def factor(vectors: Any, biases: Any) -> Factor:
    vectors, biases = np.array(vectors, np.float32), np.array(biases, np.float32)
    return Factor(vectors, biases, np.ones_like(vectors), np.ones_like(biases))


@pytest.mark.parametrize("implementation", FAST)
def test_one_cooccurrence_by_hand(implementation: Any) -> None:
    # diff = 3 . 1 - 1 . 2 + .5 + .25 - log 16 = 1.75 - log 16; the weight of 16 of 256 is (1/16)^(3/4) = 1/8.
    a, b = factor([[3.0, 1.0]], [0.5]), factor([[0.0, 0.0], [1.0, -2.0]], [0.0, 0.25])
    b.vector_state[1], b.bias_state[1] = 4.0, 16.0
    numbers = np.array([0], np.int32), np.array([1], np.int32), np.array([16.0], np.float32)
    loss = glove(a, b, *numbers, 0.1, x_max=256.0, implementation=implementation)
    diff = 1.75 - math.log(16)
    step = 0.1 * diff / 8
    assert loss == pytest.approx(diff**2 / 16, rel=1e-6)
    np.testing.assert_allclose(a.vectors, [[3 - step, 1 + 2 * step]], rtol=1e-6)
    np.testing.assert_allclose(b.vectors, [[0, 0], [1 - 3 * step / 2, -2 - step / 2]], rtol=1e-6)
    np.testing.assert_allclose([a.biases[0], *b.biases], [0.5 - step, 0, 0.25 - step / 4], rtol=1e-6)
    np.testing.assert_allclose(a.vector_state, [[1 + step**2, 1 + 4 * step**2]], rtol=1e-6)
    np.testing.assert_allclose(b.bias_state, [1, 16 + step**2], rtol=1e-6)


@pytest.mark.parametrize("implementation", FAST)
@pytest.mark.parametrize("x", [0.3, 7.0, 4000.0])  # also where the weight is 1
def test_the_step_is_the_gradient_of_the_loss(implementation: Any, x: float) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    a, b = (factor(rng.normal(size=(n, 19)), rng.normal(size=n)) for n in (3, 4))
    before = [[torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in f[:2]] for f in (a, b)]
    (v, bias), (w, other_bias) = before
    diff = v[2] @ w[1] + bias[2] + other_bias[1] - math.log(np.float32(x))
    expected = min((x / 100.0) ** 0.75, 1.0) * diff**2 / 2
    expected.backward()
    numbers = np.array([2], np.int32), np.array([1], np.int32), np.array([x], np.float32)
    assert glove(a, b, *numbers, 0.01, implementation=implementation) == pytest.approx(expected.item(), rel=1e-4)
    for found, start in itertools.chain(zip(a[:2], before[0]), zip(b[:2], before[1])):
        change = (start.detach().numpy() - found) / 0.01  # all states are 1
        np.testing.assert_allclose(change, start.grad.numpy(), rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("implementation", FAST)
def test_a_rate_of_0_only_measures(implementation: Any) -> None:
    rng = np.random.default_rng(4)
    a, b = (factor(rng.normal(size=(5, 16)), rng.normal(size=5)) for _ in range(2))
    before = [array.copy() for array in (*a, *b)]
    pairs = rng.integers(0, 5, (2, 40)).astype(np.int32)
    values = rng.random(40).astype(np.float32) + 0.1
    losses = [glove(a, b, *pairs, values, 0.0, implementation=implementation) for _ in range(2)]
    assert losses[0] == losses[1] > 0
    for array, was in zip((*a, *b), before):
        np.testing.assert_array_equal(array, was)


def test_the_door_of_glove() -> None:
    a, b = factor(np.ones((2, 3)), [0, 0]), factor(np.ones((3, 3)), [0, 0, 0])
    good = [a, b, np.array([1], np.int32), np.array([2], np.int32), np.ones(1, np.float32)]
    glove(*good, 0.1)
    for place, value, message in [
        (0, a._replace(vectors=a.vectors[:, :2]), "inputs.vector_state has shape|outputs.vectors has shape"),
        (0, a._replace(biases=np.zeros(3, np.float32)), "inputs.biases has shape"),
        (1, b._replace(bias_state=np.ones(3)), "outputs.bias_state is float64"),
        (2, np.array([2], np.int32), r"rows has a number outside 0\.\.1"),
        (3, np.array([-1], np.int32), r"columns has a number outside 0\.\.2"),
        (3, np.array([1, 1], np.int32), "columns has shape"),
        (3, np.array([1]), "columns is int64"),
        (4, np.zeros(1, np.float32), "must be above 0"),
    ]:
        wrong = [*good]
        wrong[place] = value
        with pytest.raises(ValueError, match=message):
            glove(*wrong, 0.1)
    with pytest.raises(ValueError, match="must be above 0"):
        glove(*good, 0.1, x_max=0.0)


# -- counting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", FAST)
def test_counts_by_hand(implementation: Any) -> None:
    # 2 0 1 0 | 1 1: 0-2 at 1 and 3, 1-2 at 2, 0-1 at 1 twice, 0-0 at 2 from both sides; 1-1 at 1 from both sides.
    ids = np.array([2, 0, 1, 0, -1, 1, 1], np.int32)
    found = cooccurrences(ids, 0, 7, words=4, window=3, implementation=implementation)
    assert found.offsets.tolist() == [0, 3, 5, 5, 5]
    assert found.columns.tolist() == [0, 1, 2, 1, 2]
    np.testing.assert_allclose(found.values, [1, 2, 1 + 1 / 3, 2, 0.5], rtol=1e-6)
    near = cooccurrences(ids, 0, 7, words=4, window=1, implementation=implementation)
    assert (near.columns.tolist(), near.values.tolist()) == ([1, 2, 1], [2, 1, 2])


@pytest.mark.parametrize("implementation", FAST)
def test_stretches_add_up(implementation: Any) -> None:
    rng = np.random.default_rng(1)
    ids = np.where(rng.random(700) < 0.05, -1, rng.geometric(0.1, 700) - 1).astype(np.int32)
    words = int(ids.max()) + 1
    whole = cooccurrences(ids, 0, 700, words=words, window=5)
    cuts = [0, 1, 2, 7, 300, 301, 690, 700]
    parts = [
        cooccurrences(ids, a, b, words=words, window=5, implementation=implementation)
        for a, b in itertools.pairwise(cuts)
    ]
    before = np.cumsum([0] + [len(part.columns) for part in parts])
    offsets = np.stack([part.offsets + n for part, n in zip(parts, before)])
    columns, values = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    added = sparse_sum(offsets, columns, values, width=words, implementation=implementation)
    np.testing.assert_array_equal(added.offsets, whole.offsets)
    np.testing.assert_array_equal(added.columns, whole.columns)
    np.testing.assert_allclose(added.values, whole.values, rtol=1e-6)


def test_the_doors_of_counting() -> None:
    ids = np.array([0, 1, -1], np.int32)
    for change, message in [
        ({"ids": ids.astype(np.int64)}, "ids is int64"),
        ({"end": 4}, "lies outside a stream of 3"),
        ({"window": 0}, "window must be 1 or more"),
        ({"words": 1}, r"outside -1\.\.0"),
    ]:
        good: dict[str, Any] = {"ids": ids, "begin": 0, "end": 3, "words": 2, "window": 1}
        with pytest.raises(ValueError, match=message):
            cooccurrences(**{**good, **change})
    one = np.ones(1, np.float32)
    for offsets, columns, values, message in [
        ([[0, 2]], [0], one, r"lie in 0\.\.1"),
        ([[1, 0]], [0], one, "never decrease"),
        ([[0, 1]], [2], one, r"outside 0\.\.1"),
        ([[0, 1]], [0], -one, "above 0"),
        ([[0, 1]], [0, 0], one, "values has shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            sparse_sum(np.array(offsets), np.array(columns, np.int32), values, width=2)
