"""t-SNE of many points beside the exact one, which looks at all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit import tsne
from graphkit.tsne_many import divergence, joint_affinities, tsne_of_many
from neuralcore.errors import UserError

N = 240


def silent(unit: str, done: int, total: int) -> None:
    """No report."""


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(6, 8))
    return (centres[np.arange(N) % 6] + rng.normal(size=(N, 8))).astype(np.float32)


def dense(X: np.ndarray, perplexity: float) -> np.ndarray:
    P = tsne.conditional_affinities(tsne.squared_distances(X.astype(np.float64)), perplexity)
    return (P + P.T) / (2 * len(X))


def kept(X: np.ndarray, Y: np.ndarray) -> float:
    """The share of the 10 nearest that are among the 10 nearest in the plane."""
    near = [np.argsort(tsne.squared_distances(each.astype(np.float64)), axis=1)[:, 1:11] for each in (X, Y)]
    return float(np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(*near)]))


def test_affinities_are_the_exact_ones_where_all_are_near(vectors: np.ndarray):
    few = vectors[:31]
    found = joint_affinities(few, 10.0, silent).toarray()  # 3 · 10 others are all of them
    np.testing.assert_allclose(found, dense(few, 10.0), atol=1e-7)


def test_affinities_are_symmetric_and_sum_to_one(vectors: np.ndarray):
    P = joint_affinities(vectors, 5.0, silent)
    assert abs(P - P.T).max() == 0
    assert P.sum() == pytest.approx(1)
    assert (np.diff(P.indptr) >= 15).all()
    assert P.diagonal().max() == 0


def test_copies_of_a_point_are_its_neighbours_and_it_is_not():
    """More copies than neighbours: FAISS's own row need not be among them."""
    X = np.ones((40, 3), np.float32)
    X[30:] = np.arange(30).reshape(10, 3)
    P = joint_affinities(X, 4.0, silent)
    assert P.diagonal().max() == 0
    assert P.sum() == pytest.approx(1)


def test_the_layout_is_as_good_as_the_exact_one(vectors: np.ndarray):
    P = dense(vectors, 20.0)
    exact, reached = tsne.tsne(vectors, perplexity=20.0, iterations=500)
    many, _ = tsne_of_many(vectors, perplexity=20.0, iterations=500)
    assert tsne.divergence(P, many) < 1.05 * reached
    assert kept(vectors, many) > kept(vectors, exact) - 0.03 > kept(vectors, tsne.principal_plane(vectors)) + 0.1


def test_the_divergence_is_the_dense_one(vectors: np.ndarray):
    few = vectors[:31]
    Y = np.random.default_rng(1).normal(size=(31, 2))
    P = joint_affinities(few, 10.0, silent)
    assert divergence(P, Y) == pytest.approx(tsne.divergence(P.toarray(), Y), rel=1e-3)


def test_the_same_points_give_the_same_bytes_and_progress_is_told(vectors: np.ndarray):
    told = []
    one = tsne_of_many(vectors, 5.0, 30, lambda *what: told.append(what))
    other = tsne_of_many(vectors, 5.0, 30)
    assert one[0].tobytes() == other[0].tobytes()
    assert one[0].tobytes() != tsne_of_many(vectors, 6.0, 30)[0].tobytes()
    assert told[:2] == [("rows", 0, N), ("rows", N, N)]
    assert told[2:] == [("iterations", done, 30) for done in range(31)]


@pytest.mark.parametrize(
    ("count", "perplexity", "told"), [(3, None, "between 4"), (40, 39.0, "1 and 38"), (9, 0.5, "1 and 7")]
)
def test_what_cannot_be_laid_out_is_told(vectors: np.ndarray, count: int, perplexity: float | None, told: str):
    with pytest.raises(UserError, match=told):
        tsne_of_many(vectors[:count], perplexity)
