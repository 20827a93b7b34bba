"""t-SNE of many points: affinities to the nearest ones alone, and all that drives apart by an FFT.

Exact t-SNE looks at all pairs (`graphkit.tsne`). Here P has the 3 · perplexity nearest of each point (van der Maaten
2014, https://jmlr.org/papers/v15/vandermaaten14a.html), found exactly by FAISS, and the repulsion is interpolated
(op `tsne_repulsion`, Linderman et al. 2019). The descent is the same, and needs no seed.

Axes: N points, D dimension, K nearest of each, E pairs with an affinity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from graphkit.tsne import affinities_to, checked_perplexity, descend, principal_plane
from neuralcore.errors import UserError
from neuralcore.kernels.tsne_attraction import tsne_attraction
from neuralcore.kernels.tsne_repulsion import tsne_repulsion
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

MOST = 200_000  # points; each is compared with each once, to find the nearest
BLOCK = 4096  # points whose nearest are sought at a time

Report = Callable[[str, int, int], None]


def tsne_of_many(
    X: np.ndarray,
    perplexity: float | None = None,
    iterations: int = 750,
    report: Report = lambda unit, done, total: None,
) -> tuple[np.ndarray, float]:
    """Lay N points out in the plane.

    Args:
        X: (N, D).
        perplexity: as `graphkit.tsne.tsne`.
        iterations: gradient steps, of which the first 250 have the exaggeration.
        report: told how much is done: ("rows", done, N) while the nearest are sought, then ("iterations", …).

    Returns:
        (N, 2), and the divergence KL(P || Q) in nats that was reached, with P zero for pairs that are not near.

    Raises:
        UserError: fewer than 4 points or too many, or a perplexity that so many points cannot have.
    """
    N = len(X)
    if not 4 <= N <= MOST:
        raise UserError(f"t-SNE of {N:,} points: choose between 4 and {MOST:,}")
    perplexity = checked_perplexity(perplexity, N)
    P = joint_affinities(np.ascontiguousarray(X, np.float32), perplexity, report)
    offsets, columns = P.indptr.astype(np.int64), P.indices
    done = 0

    def slope_at(factor: float, Y: np.ndarray) -> np.ndarray:
        nonlocal done
        report("iterations", done, iterations)
        done += 1
        apart, Z = tsne_repulsion(Y)
        return 4 * (factor * tsne_attraction(Y, offsets, columns, P.data) - apart / Z)

    Y = descend(principal_plane(X), iterations, slope_at)
    report("iterations", iterations, iterations)
    return Y, divergence(P, Y)


def joint_affinities(X: np.ndarray, perplexity: float, report: Report) -> sparse.csr_matrix:
    """(N, N) p_ij = (p_{j|i} + p_{i|j}) / 2N, zero but for pairs of which one is among the other's K nearest."""
    N, K = len(X), min(len(X) - 1, int(3 * perplexity))
    index = faiss.IndexFlatL2(X.shape[1])
    index.add(X)
    rows, values = np.empty((N, K), np.int32), np.empty((N, K))
    for start in range(0, N, BLOCK):
        report("rows", start, N)
        some = np.arange(start, min(start + BLOCK, N))
        distances, found = index.search(X[some], K + 1)
        # Its own row, or the last one where copies of it have pushed that out.
        own = found == some[:, None]
        own[~own.any(axis=1), -1] = True
        rows[some] = found[~own].reshape(-1, K)
        values[some] = affinities_to(distances[~own].reshape(-1, K).astype(np.float64), perplexity)
    report("rows", N, N)
    P = sparse.csr_matrix((values.ravel(), rows.ravel(), np.arange(0, N * K + 1, K)), (N, N))
    P = (P + P.T) / (2 * N)
    P.sort_indices()
    return P


def divergence(P: sparse.csr_matrix, Y: np.ndarray) -> float:
    """KL(P || Q) in nats between joint affinities (N, N) and those of a layout (N, 2)."""
    total, Z = 0.0, tsne_repulsion(Y)[1]
    for start in range(0, len(Y), BLOCK):
        some = P[start : start + BLOCK].tocoo()
        apart = Y[start + some.row] - Y[some.col]
        there = some.data > 0
        q = 1 / (1 + (apart[there] ** 2).sum(axis=1)) / Z
        total += float((some.data[there] * np.log(some.data[there] / q)).sum())
    return total
