"""t-SNE: points of many dimensions laid out in the plane so that near ones stay near.

van der Maaten & Hinton 2008, "Visualizing Data using t-SNE", https://jmlr.org/papers/v9/vandermaaten08a.html. Every
pair of points is looked at, so time and memory grow with N²; `graphkit.tsne_many` is for more points. Deviations, and
why: the first layout is that of the two principal components instead of random, which keeps the large-scale order and
needs no seed (Kobak & Berens 2019); early exaggeration is 12 instead of 4, and the learning rate is proportional to N
(Belkina et al. 2019) and divided by the exaggeration, with a constant that keeps few points from swinging.

Axes: N points, D dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from neuralcore.errors import UserError

LARGEST = 3000  # points; 72 MB a matrix, of which there are about six
EXAGGERATION, EXAGGERATED = 12.0, 250  # factor, and iterations it lasts


def principal_components(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (N, 2) of the points on their first two principal components, and the components' shares (2,).

    The shares are of the variance. A component's sign is free; its largest entry is made positive.
    """
    centred = X - X.mean(axis=0)
    U, singular, V = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(np.take_along_axis(V, np.abs(V).argmax(axis=1)[:, None], axis=1))[:, 0]
    coordinates = (U * singular * sign)[:, :2]
    shares = singular[:2] ** 2 / max(float((singular**2).sum()), 1e-30)
    missing = 2 - coordinates.shape[1]
    return np.pad(coordinates, ((0, 0), (0, missing))), np.pad(shares, (0, missing))


def principal_plane(X: np.ndarray) -> np.ndarray:
    """(N, 2) float64: X (N, D), centred, on the two eigenvectors of its covariance with the largest eigenvalues.

    By a (D, D) matrix, and not by decomposing all of X as `principal_components` does: a tenth of the time where rows
    are many. An eigenvector's sign is free; its largest entry is made positive.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((X.shape[1],) * 2)
    for start in range(0, len(X), 4096):
        part = X[start : start + 4096] - mean
        covariance += part.T @ part
    vectors = np.linalg.eigh(covariance)[1][:, ::-1][:, :2]
    vectors = vectors * np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0))
    points = np.concatenate([(X[start : start + 4096] - mean) @ vectors for start in range(0, len(X), 4096)])
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def squared_distances(X: np.ndarray) -> np.ndarray:
    """(N, N), zero on the diagonal."""
    norms = (X * X).sum(axis=1)
    distances = np.maximum(norms[:, None] + norms - 2 * X @ X.T, 0)
    np.fill_diagonal(distances, 0)
    return distances


def conditional_affinities(distances: np.ndarray, perplexity: float) -> np.ndarray:
    """(N, N) p_{j|i} = exp(-β_i d_ij) / Σ_{k≠i} exp(-β_i d_ik), where β_i gives each row the perplexity."""
    return affinities_to(np.where(np.eye(len(distances), dtype=bool), np.inf, distances), perplexity)


def affinities_to(others: np.ndarray, perplexity: float) -> np.ndarray:
    """(N, K) p_{j|i} of N points to K others each, from squared distances; inf is no other.

    A row's perplexity is 2 to the power of its entropy in bits; equations 1 and 2 of the paper. β is found by
    bisection, for all rows at once.
    """
    N = len(others)
    # Shifted by each row's smallest: the same p, and no row whose exponentials are all zero.
    shifted = others - others.min(axis=1, keepdims=True)
    low, high, beta = np.zeros(N), np.full(N, np.inf), np.ones(N)
    for _ in range(100):
        P = np.exp(-beta[:, None] * shifted)
        total = P.sum(axis=1)
        finite = np.where(np.isinf(shifted), 0, shifted)
        entropy = np.log(total) + beta * (P * finite).sum(axis=1) / total  # in nats
        error = entropy - math.log(perplexity)
        if np.abs(error).max() < 1e-7:
            break
        low, high = np.where(error > 0, beta, low), np.where(error > 0, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    return P / total[:, None]


def tsne(X: np.ndarray, perplexity: float | None = None, iterations: int = 1000) -> tuple[np.ndarray, float]:
    """Lay N points out in the plane.

    Args:
        X: (N, D).
        perplexity: how many neighbours each point has, smoothly counted; None is 30, or (N - 1) / 3 for few points.
        iterations: gradient steps, of which the first 250 have the exaggeration.

    Returns:
        (N, 2), and the divergence KL(P || Q) in nats that was reached.

    Raises:
        UserError: fewer than 4 points or too many, or a perplexity that so many points cannot have.
    """
    N = len(X)
    if not 4 <= N <= LARGEST:
        raise UserError(f"t-SNE of {N:,} points: choose between 4 and {LARGEST:,}")
    perplexity = checked_perplexity(perplexity, N)
    P = conditional_affinities(squared_distances(np.asarray(X, np.float64)), perplexity)
    P = (P + P.T) / (2 * N)  # joint: p_ij = (p_{j|i} + p_{i|j}) / 2N
    Y = descend(principal_components(np.asarray(X, np.float64))[0], iterations, lambda f, Y: gradient(f * P, Y))
    return Y, divergence(P, Y)


def checked_perplexity(perplexity: float | None, N: int) -> float:
    """A perplexity that N points can have; the default for None.

    Raises:
        UserError: they cannot.
    """
    if perplexity is None:
        return min(30.0, (N - 1) / 3)
    if not 1 <= perplexity < N - 1:
        raise UserError(f"perplexity = {perplexity} with {N:,} points: choose between 1 and {N - 2}")
    return perplexity


def descend(Y: np.ndarray, iterations: int, slope_at: Callable[[float, np.ndarray], np.ndarray]) -> np.ndarray:
    """(N, 2): where gradient descent with momentum ends that begins at Y (N, 2), made small.

    Args:
        slope_at: (exaggeration, layout) -> the gradient (N, 2) with P times the exaggeration.
    """
    N = len(Y)
    Y = Y * (1e-4 / max(float(Y[:, 0].std()), 1e-30))
    velocity, gains = np.zeros_like(Y), np.ones_like(Y)
    for iteration in range(iterations):
        factor, momentum = (EXAGGERATION, 0.5) if iteration < EXAGGERATED else (1.0, 0.8)
        slope = slope_at(factor, Y)
        # Jacobs 1988, as in the authors' programs: a step grows while the gradient keeps its direction.
        gains = np.where(np.sign(slope) == np.sign(velocity), gains * 0.8, gains + 0.2).clip(min=0.01)
        velocity = momentum * velocity - N / (4 * factor) * gains * slope
        Y = Y + velocity
        Y -= Y.mean(axis=0)
    return Y


def _kernel(Y: np.ndarray) -> np.ndarray:
    """Student's t with one degree of freedom, (N, N), not normalised and zero on the diagonal."""
    kernel = 1 / (1 + squared_distances(Y))
    np.fill_diagonal(kernel, 0)
    return kernel


def gradient(P: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Of the divergence by Y (N, 2), equation 5: 4 Σ_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|²)."""
    kernel = _kernel(Y)
    weights = (P - kernel / kernel.sum()) * kernel
    return 4 * (weights.sum(axis=1)[:, None] * Y - weights @ Y)


def divergence(P: np.ndarray, Y: np.ndarray) -> float:
    """KL(P || Q) in nats between joint affinities (N, N) and those of a layout (N, 2)."""
    kernel = _kernel(Y)
    Q = kernel / kernel.sum()
    there = P > 0
    return float((P[there] * np.log(P[there] / Q[there].clip(min=1e-300))).sum())
