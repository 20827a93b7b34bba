"""numba and FFT: points are spread on a grid, grid and kernel convolved, and the result read at the points.

Linderman et al. 2019, "Fast interpolation-based t-SNE for improved visualization of single-cell RNA-seq data",
https://doi.org/10.1038/s41592-018-0308-4. Deviations: the nodes are those of one even grid, and a point's are the
four by four around it (cubic instead of quadratic, and continuous from cell to cell); what is convolved is the force
itself, (y_i - y_j) k², and not its parts, whose difference is small: one transform forth and three back, instead of
four and four. Transforms are float32, whose rounding is far below the interpolation's error.

Axes: N points, a x b nodes of the grid, the first one below the lowest point by `MARGIN`.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import njit
from scipy import fft

STEP = 0.25  # between two nodes at most; the kernel's width is 1
FEWEST = 64  # steps along the longer side at least
MARGIN = 1  # nodes before the first point's cell; two after it


def tsne_repulsion(Y: np.ndarray) -> tuple[np.ndarray, float]:
    """As `neuralcore.kernels.tsne_repulsion.tsne_repulsion`."""
    low, high = Y.min(axis=0), Y.max(axis=0)
    step = min(STEP, max(float((high - low).max()), 1e-30) / FEWEST)
    # A few sizes only: a kernel is used again for as long as the layout's is about the same.
    a, b = (16 * -(-(int(side / step) + 3 + MARGIN) // 16) for side in high - low)
    places = (Y - low) / step + MARGIN
    shape = fft.next_fast_len(2 * a, real=True), fft.next_fast_len(2 * b, real=True)
    charges = fft.rfft2(_spread(places, a, b), shape)
    fields = np.empty((3, a, b), np.float32)
    for field, kernel in zip(fields, _kernels(shape, step)):
        field[:] = fft.irfft2(charges * kernel, shape)[:a, :b]
    found = _read(places, fields)
    # The sums have each point's own k as it comes out of the grid, which is nearly 1.
    return found[:, :2].copy(), float(found[:, 2].sum()) - len(Y)


@functools.lru_cache(maxsize=1)
def _kernels(shape: tuple[int, int], step: float) -> list[np.ndarray]:
    """Transforms of dx k², dy k² and k, of differences of nodes that go from 0 upwards and from -1 downwards."""
    x, y = (step * fft.fftfreq(size, 1 / size) for size in shape)
    k = 1 / (1 + x[:, None] ** 2 + y**2)
    return [fft.rfft2(kernel.astype(np.float32)) for kernel in (x[:, None] * k**2, y * k**2, k)]


@njit(nogil=True, cache=True)
def _weights(part, out):
    """The cubic polynomials through nodes at -1, 0, 1 and 2 that are 1 at one of them, at `part` in [0, 1)."""
    out[0] = -part * (part - 1.0) * (part - 2.0) / 6.0
    out[1] = (part + 1.0) * (part - 1.0) * (part - 2.0) / 2.0
    out[2] = -(part + 1.0) * part * (part - 2.0) / 2.0
    out[3] = (part + 1.0) * part * (part - 1.0) / 6.0


@njit(nogil=True, cache=True)
def _spread(places, a, b):
    grid = np.zeros((a, b), np.float32)
    across, down = np.empty(4), np.empty(4)
    for i in range(len(places)):
        row, column = int(places[i, 0]), int(places[i, 1])
        _weights(places[i, 0] - row, across)
        _weights(places[i, 1] - column, down)
        for u in range(4):
            for v in range(4):
                grid[row - 1 + u, column - 1 + v] += across[u] * down[v]
    return grid


@njit(nogil=True, cache=True)
def _read(places, fields):
    out = np.zeros((len(places), 3))
    across, down = np.empty(4), np.empty(4)
    for i in range(len(places)):
        row, column = int(places[i, 0]), int(places[i, 1])
        _weights(places[i, 0] - row, across)
        _weights(places[i, 1] - column, down)
        for u in range(4):
            for v in range(4):
                weight = across[u] * down[v]
                for f in range(3):
                    out[i, f] += weight * fields[f, row - 1 + u, column - 1 + v]
    return out
