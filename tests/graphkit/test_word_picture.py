"""Words in the plane: t-SNE against its definition, and names that hide nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphkit.tsne import conditional_affinities, divergence, gradient, principal_components, squared_distances, tsne
from graphkit.words.picture import name_places, picture
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError


def groups(of: int = 15, count: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points in 20 dimensions around a few centres, and which centre."""
    rng = np.random.default_rng(seed)
    which = np.repeat(np.arange(count), of)
    return rng.normal(size=(count, 20))[which] * 3 + rng.normal(size=(count * of, 20)), which


def test_principal_components_are_the_eigenvectors() -> None:
    X, _ = groups()
    points, shares = principal_components(X)
    values, vectors = np.linalg.eigh(np.cov(X.T))
    expected = (X - X.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum())
    flat, share = principal_components(np.array([[0.0], [1.0], [3.0]]))  # one dimension has no second component
    np.testing.assert_allclose(flat[:, 0] - flat[0, 0], [0, 1, 3])
    assert flat[:, 1].tolist() == [0, 0, 0]
    assert share.tolist() == [1, 0]


@pytest.mark.parametrize("perplexity", [1.5, 5.0, 30.0])
def test_every_row_has_the_perplexity(perplexity: float) -> None:
    X, _ = groups()
    distances = squared_distances(X)
    np.testing.assert_allclose(distances, ((X[:, None] - X) ** 2).sum(axis=2), atol=1e-9)
    P = conditional_affinities(distances * np.linspace(0.01, 100, len(X))[:, None], perplexity)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    assert (np.diag(P) == 0).all()
    bits = -(P * np.log2(P, where=P > 0, out=np.zeros_like(P))).sum(axis=1)
    np.testing.assert_allclose(2**bits, perplexity, rtol=1e-5)
    ratios = np.log(P[0, 1] / P[0, 2]) / (distances[0, 2] - distances[0, 1])
    assert ratios > 0  # of two points, the nearer has more


def test_groups_come_apart_and_the_divergence_falls() -> None:
    X, which = groups()
    Y, reached = tsne(X, perplexity=10)
    distances = np.linalg.norm(Y[:, None] - Y, axis=2)
    same = which[:, None] == which
    assert distances[same].max() < distances[~same].min()
    _, early = tsne(X, perplexity=10, iterations=260)
    P = conditional_affinities(squared_distances(X), 10)
    P = (P + P.T) / (2 * len(X))
    assert divergence(P, Y) == pytest.approx(reached)
    assert 0 < reached < min(early, divergence(P, principal_components(X)[0]))
    again, _ = tsne(X, perplexity=10)
    assert again.tobytes() == Y.tobytes()


def test_early_exaggeration_draws_groups_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they have room to move past each other (section 3.4 of the paper)."""
    X, which = groups()
    same = which[:, None] == which

    def width() -> float:
        Y, _ = tsne(X, perplexity=10, iterations=250)
        return float(np.sqrt(squared_distances(Y)[same]).mean())

    exaggerated = width()
    monkeypatch.setattr("graphkit.tsne.EXAGGERATED", 0)
    assert exaggerated < width() / 3


def test_the_gradient_by_finite_differences() -> None:
    X, _ = groups(of=4, count=3)
    P = conditional_affinities(squared_distances(X), 3)
    P = (P + P.T) / (2 * len(X))
    Y = np.random.default_rng(1).normal(size=(12, 2))
    for place in np.ndindex(*Y.shape):
        step = np.zeros_like(Y)
        step[place] = 1e-5
        slope = (divergence(P, Y + step) - divergence(P, Y - step)) / 2e-5
        assert gradient(P, Y)[place] == pytest.approx(slope, abs=1e-7)


def test_tsne_says_what_it_cannot_do() -> None:
    with pytest.raises(UserError, match="t-SNE of 3 points"):
        tsne(np.eye(3))
    with pytest.raises(UserError, match=r"perplexity = 9\.0 with 10 points: choose between 1 and 8"):
        tsne(np.eye(10), perplexity=9.0)


def hidden_area(points: np.ndarray, sizes: np.ndarray, corners: np.ndarray) -> float:
    """By a raster: pixels that two names cover, or a name and a point."""
    covered = np.zeros((1600, 1600), int)
    for (x, y), (w, h) in zip(corners.round().astype(int) + 300, sizes.round().astype(int)):
        covered[x : x + w, y : y + h] += 1
    for x, y in points.round().astype(int) + 300:
        covered[x - 2 : x + 3, y - 2 : y + 3] += 1
    return float((covered > 1).sum())


@pytest.mark.parametrize("seed", range(5))
def test_thirty_names_hide_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(100, 900, size=(5, 2))
    points = centres[rng.integers(5, size=30)] + rng.normal(size=(30, 2)) * 40
    sizes = np.column_stack([rng.uniform(20, 110, size=30), np.full(30, 18.0)])
    beside = points + 6
    assert hidden_area(points, sizes, beside) > 500
    assert hidden_area(points, sizes, name_places(points, sizes)) < 40  # the edge of a rounded pixel
    assert hidden_area(points[:1], sizes[:1], name_places(points[:1], sizes[:1])) == 0


@pytest.fixture
def vectors() -> WordVectors:
    X, which = groups(of=6)
    words = [f"{'abcd'[group]}{n}" for n, group in enumerate(which)]
    return WordVectors(Vocabulary(words, range(len(words), 0, -1)), X.astype(np.float32))


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture(vectors: WordVectors, method: str, suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"picture{suffix}"
    points = picture(vectors, vectors.words, path, method)  # type: ignore[arg-type]
    assert points.shape == (24, 2)
    assert path.read_bytes()[:4] in (b"\x89PNG", b"<?xm")
    other = points[6:].mean(axis=0) - points[:6].mean(axis=0)
    assert np.linalg.norm(other) > 2 * points[:6].std(axis=0).max()


def test_no_picture(vectors: WordVectors, tmp_path: Path) -> None:
    for words, path, message in [
        (["a0", "a1", "a99"], "p.png", "the word 'a99' is not among"),
        (["a0", "a1", "a1"], "p.png", "a picture of 2 words: name at least 3"),
        (vectors.words, "p.jpeg", "a picture's name ends in .png, .svg, .pdf"),
        (vectors.words, "none/p.png", "there is no folder"),
    ]:
        with pytest.raises(UserError, match=message):
            picture(vectors, words, tmp_path / path)
    assert list(tmp_path.iterdir()) == []
