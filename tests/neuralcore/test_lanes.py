"""Sixteen numbers at a time: each operation beside NumPy's, and what becomes of NaN."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from neuralcore.kernels import lanes as ops
from neuralcore.kernels.alignment import LANES, LINE, aligned

add, subtract, multiply, divide, fma = ops.add, ops.subtract, ops.multiply, ops.divide, ops.fma
smaller, larger, whole, power_of_two = ops.smaller, ops.larger, ops.whole, ops.power_of_two
exponential, logistic, load, store = ops.exponential, ops.logistic, ops.load, ops.store
added, pick, put, splat, prefetch = ops.added, ops.pick, ops.put, ops.splat, ops.prefetch
over_root = ops.over_root


@njit
def all_of_them(a, out):
    """Rows 0, 1, 2 of a are the arguments; a row of out for each operation."""
    x, y, z = load(a, 0, 0), load(a, 1, 0), load(a, 2, 0)
    prefetch(a, 0, 0)
    store(out, 0, 0, add(x, y))
    store(out, 1, 0, subtract(x, y))
    store(out, 2, 0, multiply(x, y))
    store(out, 3, 0, divide(x, y))
    store(out, 4, 0, fma(x, y, z))
    store(out, 5, 0, smaller(x, y))
    store(out, 6, 0, larger(x, y))
    store(out, 7, 0, whole(x))
    store(out, 8, 0, power_of_two(whole(x)))
    store(out, 9, 0, exponential(x))
    store(out, 10, 0, logistic(x))
    store(out, 11, 0, splat(pick(x, 3)))
    store(out, 12, 0, put(x, 5, added(y)))
    store(out, 13, 0, over_root(x, multiply(y, y)))


def test_against_numpy() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0, 20, (3, LANES)).astype(np.float32)
    out = np.empty((14, LANES), np.float32)
    all_of_them(a, out)
    x, y, z = a.astype(np.float64)
    last = x.copy()
    last[5] = y.sum()
    expected = [
        x + y,
        x - y,
        x * y,
        x / y,
        x * y + z,
        np.minimum(x, y),
        np.maximum(x, y),
        np.rint(x),
        2.0 ** np.rint(x),
    ]
    expected += [np.exp(x), 1 / (1 + np.exp(-x)), np.full(LANES, x[3]), last, x / abs(y)]
    np.testing.assert_allclose(out, expected, rtol=3e-6, atol=1e-6)


def test_the_exponential_is_right_to_the_last_place() -> None:
    x = np.linspace(-87, 87, 1 << 14, dtype=np.float32).reshape(-1, LANES)
    a, out = np.zeros((3, LANES), np.float32), np.empty((14, LANES), np.float32)
    for row in x:
        a[0] = row
        all_of_them(a, out)
        np.testing.assert_allclose(out[9], np.exp(row.astype(np.float64)), rtol=1.5e-7)


def test_what_is_no_number_stays_none() -> None:
    a, out = np.ones((3, LANES), np.float32), np.empty((14, LANES), np.float32)
    a[:2, 4] = np.nan
    all_of_them(a, out)
    assert np.isnan(out[:7, 4]).all()
    assert np.isnan(out[9:11, 4]).all()
    assert np.isnan(out[13, 4])
    assert not np.isnan(np.delete(out[:11], 4, axis=1)).any()


@pytest.mark.parametrize("shape", [(1, 16), (3, 5), (7, 112)])
def test_arrays_begin_at_cache_lines(shape: tuple[int, int]) -> None:
    array = aligned(*shape)
    assert array.shape == shape
    assert array.dtype == np.float32
    assert array.ctypes.data % LINE == 0
    assert array.flags.c_contiguous
    assert not array.any()
