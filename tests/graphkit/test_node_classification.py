from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from graphkit.walks.node_classification import _score, classify_nodes, f1, logistic_regression, top_labels
from neuralcore.errors import UserError


def problem(nodes: int = 80, dimension: int = 5, kinds: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) vectors and (N, L) labels that depend on them, with noise."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(nodes, dimension)).astype(np.float32) * 2.0
    scores = vectors @ rng.normal(size=(dimension, kinds)) + rng.normal(size=(nodes, kinds)) + 0.5
    labels = scores > 0.0
    labels[~labels.any(axis=1), 0] = True
    return vectors, labels


# -- the regressions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_the_gradient_of_the_objective_vanishes(c: float, scale: float) -> None:
    """Autograd of LIBLINEAR's objective, written down anew; it is strictly convex, so that is its one minimum."""
    vectors, labels = problem()
    labels[:, 2] = np.arange(80) == 7  # one node alone has it
    found = logistic_regression(vectors * scale, labels, c)
    inputs = torch.tensor(vectors * scale, dtype=torch.float64)
    for weights, label in zip(found, labels.T):
        w = torch.tensor(weights, requires_grad=True)
        margin = torch.where(torch.tensor(label), 1.0, -1.0) * (inputs @ w[:-1] + w[-1])
        objective = 0.5 * (w**2).sum() + c * torch.log1p(torch.exp(-margin)).sum()
        objective.backward()
        assert w.grad is not None
        start = (c * inputs.abs().sum(dim=0)).norm() + c * len(label)
        assert float(w.grad.norm()) <= 1e-6 * float(start)


def test_a_minimum_known_in_closed_form() -> None:
    """Where vectors tell nothing the bias alone is left: b = C sum y sigmoid(-y b)."""
    labels = np.arange(10)[:, None] < 3
    (weights,) = logistic_regression(np.zeros((10, 4)), labels, 2.0)
    bias = weights[-1]
    np.testing.assert_array_equal(weights[:-1], 0.0)
    share = 1.0 / (1.0 + math.exp(-bias))
    assert bias == pytest.approx(2.0 * (3 * (1.0 - share) - 7 * share), abs=1e-6)


def test_vectors_that_separate_the_labels_and_huge_ones() -> None:
    vectors = np.array([[-1e4], [-2e4], [1e4], [3e4]])
    (weights,) = logistic_regression(vectors, np.array([[False], [False], [True], [True]]))
    assert np.isfinite(weights).all()
    assert ((vectors[:, 0] * weights[0] + weights[1] > 0.0) == [False, False, True, True]).all()


def test_the_weights_are_those_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    vectors, labels = problem()
    found = logistic_regression(vectors, labels, 1.0)
    for weights, label in zip(found, labels.T):
        peer = linear_model.LogisticRegression(solver="liblinear", C=1.0, tol=1e-10, max_iter=10_000)
        peer.fit(vectors, label)
        np.testing.assert_allclose(weights, [*peer.coef_[0], peer.intercept_[0]], atol=1e-4)


# -- the figures ----------------------------------------------------------------------------------------------------


def test_as_many_labels_are_predicted_as_there_are() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.2, 0.2, 0.2], [3.0, -np.inf, 1.0]])
    found = top_labels(scores, np.array([2, 1, 0]))
    assert found.tolist() == [[False, True, True], [True, False, False], [False, False, False]]


def test_f1_by_hand() -> None:
    labels = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], bool)
    predicted = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]], bool)
    # label 0: 2 right of 3 predicted and 2 there; 1: none of 0 and 2; 2: 1 of 2 and 1; 3: nowhere
    found = f1(labels, predicted)
    assert found.micro == pytest.approx(2 * 3 / (5 + 5))
    assert found.macro == pytest.approx((4 / 5 + 0 + 2 / 3 + 0) / 4)


def test_the_protocol_against_itself_written_plainly() -> None:
    """One split by hand: the same nodes, one regression a label, the k best labels, F1 from counts."""
    vectors, labels = problem(nodes=60)
    (found,) = classify_nodes(vectors, labels, fractions=[0.4], splits=1, seed=3)
    from neuralcore.seeding import derived_seed

    order = np.random.default_rng(derived_seed(3, "split", 0)).permutation(60)
    train, test = order[:24], order[24:]
    weights = logistic_regression(vectors[train], labels[train])
    right = predicted = there = 0
    for node in test:
        scores = [float(vectors[node] @ w[:-1] + w[-1]) for w in weights]
        count = int(labels[node].sum())
        chosen = sorted(range(3), key=lambda label: -scores[label])[:count]
        right += sum(bool(labels[node, label]) for label in chosen)
        predicted, there = predicted + count, there + count
    assert found.micro == pytest.approx(2 * right / (predicted + there))
    assert (found.fraction, found.splits) == (0.4, 1)
    assert math.isnan(found.micro_std)


def test_vectors_that_tell_the_labels_and_vectors_that_do_not() -> None:
    rng = np.random.default_rng(0)
    labels = np.eye(4, dtype=bool)[rng.integers(4, size=200)]
    told = classify_nodes(labels.astype(np.float32) * 5.0, labels, fractions=[0.1, 0.5], splits=3)
    assert [figure.micro for figure in told] == [1.0, 1.0]
    assert [figure.macro for figure in told] == [1.0, 1.0]
    (guessed,) = classify_nodes(rng.normal(size=(200, 4)), labels, fractions=[0.5], splits=5)
    assert 0.15 < guessed.micro < 0.35
    assert guessed.micro_std > 0.0


def test_a_label_that_no_training_node_has_is_never_predicted() -> None:
    """The last node has labels 0 and 1; label 1 looks far less likely for it than label 2, which nobody has."""
    vectors = np.array([[5.0], [5.0], [-5.0], [-5.0], [5.0]])
    labels = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 1, 0]], bool)
    weights = logistic_regression(vectors[:4], labels[:4])
    scores = weights @ [5.0, 1.0]
    assert scores[0] > scores[2] > scores[1]
    assert _score(vectors, labels, np.arange(5), 4, 1.0) == (1.0, pytest.approx(2 / 3))


def test_every_setting_and_no_thread_changes_the_figures() -> None:
    vectors, labels = problem()
    usual = {"fractions": [0.2], "splits": 4, "c": 1.0, "seed": 0}
    base = classify_nodes(vectors, labels, **usual)
    for changed in ({"fractions": [0.3]}, {"splits": 5}, {"c": 0.01}, {"seed": 1}):
        assert classify_nodes(vectors, labels, **{**usual, **changed}) != base, changed
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert classify_nodes(vectors, labels, **usual) == base
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_mistakes() -> None:
    vectors, labels = problem()
    for settings, message in (
        ({"splits": 0}, "splits must be 1 or more"),
        ({"c": 0.0}, "c must be above 0"),
        ({"fractions": [0.0]}, r"fraction 0\.0 of 80 labelled nodes leaves none"),
        ({"fractions": [0.001]}, r"fraction 0\.001 of 80"),
        ({"fractions": [1.0]}, r"fraction 1\.0 of 80"),
    ):
        with pytest.raises(UserError, match=message):
            classify_nodes(vectors, labels, **settings)
    with pytest.raises(UserError, match="node 4 has no label"):
        classify_nodes(vectors, labels & (np.arange(80) != 4)[:, None])
    vectors[5, 1] = np.nan
    with pytest.raises(UserError, match="the vector of node 5 is not finite"):
        classify_nodes(vectors, labels)
