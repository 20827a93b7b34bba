"""Ops `skipgram` and `cbow` by numba: the block of a window stays in the first-level cache while its inputs pass by.

What the speed comes from, each measured: the block (one fetch of R rows a window); six rows worked on at once, so
that an element of the input is loaded once for six multiplications; sixteen numbers at a time, in rows that begin at
cache lines (`neuralcore.kernels.lanes`); P and R as compile-time constants; and the rows of the next window on their
way from memory while this one is computed.

Trap: `x = table[c]` makes a view object whose count of references is kept atomically, ten times slower than all
the arithmetic; so every access names row and column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit

from neuralcore.kernels.alignment import LANES, aligned
from neuralcore.kernels.lanes import (
    add,
    added,
    fma,
    larger,
    load,
    logistic,
    multiply,
    pick,
    prefetch,
    put,
    smaller,
    splat,
    store,
    subtract,
)
from neuralcore.kernels.skipgram import LOGIT_BOUND

TOGETHER = 6  # rows of the block worked on at once: the target and the usual five negatives


def skipgram(
    input_table: np.ndarray,
    output_table: np.ndarray,
    outputs: np.ndarray,
    signs: np.ndarray,
    offsets: np.ndarray,
    contexts: np.ndarray,
    learning_rate: float,
    mean: bool = False,
    margin: bool = False,
) -> float:
    """As `neuralcore.kernels.skipgram.skipgram`; with `mean` as `neuralcore.kernels.cbow.cbow`."""
    width, rate = input_table.shape[1], np.float32(learning_rate)
    if width % LANES == 0:
        kernel = _kernel(width, outputs.shape[1], mean, margin)
        return kernel(
            input_table, output_table, outputs, signs, offsets, contexts, rate, *_room(width, outputs.shape[1])
        )
    # Rows that are no whole number of cache lines are brought to one and back: right, and slow.
    padded = -(-width // LANES) * LANES
    inputs, others = aligned(len(input_table), padded), aligned(len(output_table), padded)
    inputs[:, :width], others[:, :width] = input_table, output_table
    loss = skipgram(inputs, others, outputs, signs, offsets, contexts, learning_rate, mean, margin)
    input_table[:], output_table[:] = inputs[:, :width], others[:, :width]
    return loss


def _room(width: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A block of rows, filled up to a multiple of `TOGETHER`; an input and its change; the rows' signs and steps."""
    groups = max(1, -(-rows // TOGETHER))
    return aligned(groups * TOGETHER, width), aligned(2, width), aligned(2 * groups, LANES)


@cache
def _kernel(P: int, R: int, mean: bool, margin: bool) -> Callable[..., float]:
    """The kernel for rows of P numbers and R outputs a window, compiled at its first call and cached on disk."""
    ZERO, ONE = np.float32(0), np.float32(1)
    HIGH, LOW = np.float32(LOGIT_BOUND), np.float32(-LOGIT_BOUND)
    MEAN, MARGIN = mean, margin

    @njit(nogil=True, error_model="numpy", cache=True)
    def kernel(
        input_table: np.ndarray,
        output_table: np.ndarray,
        outputs: np.ndarray,
        signs: np.ndarray,
        offsets: np.ndarray,
        contexts: np.ndarray,
        learning_rate: float,
        block: np.ndarray,
        x: np.ndarray,  # row 0 the input, row 1 how it is to change
        sign: np.ndarray,  # 1, -1, or 0 where there is no row; and after those, logits that become steps
    ) -> float:
        rows, G = np.empty(block.shape[0], np.int64), block.shape[0] // TOGETHER
        rate, one, zero = splat(learning_rate), splat(ONE), splat(ZERO)
        loss, product = 0.0, 1.0
        for w in range(outputs.shape[0]):
            n = 0
            for j in range(R):
                row = np.int64(outputs[w, j])
                if row >= 0:
                    rows[n] = row
                    sign[n // TOGETHER, n % TOGETHER] = signs[w, j]
                    for k in range(0, P, LANES):
                        store(block, n, k, load(output_table, row, k))
                    n += 1
            for j in range(n, -(-n // TOGETHER) * TOGETHER):
                sign[j // TOGETHER, j % TOGETHER] = ZERO
            if w + 1 < outputs.shape[0]:
                for j in range(R):
                    row = np.int64(outputs[w + 1, j])
                    if row >= 0:
                        for k in range(0, P, LANES):
                            prefetch(output_table, row, k)

            first = offsets[w]
            while first < offsets[w + 1]:
                last = offsets[w + 1] if MEAN else first + 1
                share = splat(ONE / np.float32(last - first))
                for k in range(0, P, LANES):
                    value = load(input_table, contexts[first], k)
                    if MEAN:
                        for i in range(first + 1, last):
                            value = add(value, load(input_table, contexts[i], k))
                        value = multiply(value, share)
                        store(x, 1, k, zero)
                    store(x, 0, k, value)
                for j in range(0, n, TOGETHER):
                    dot_0, dot_1, dot_2, dot_3, dot_4, dot_5 = zero, zero, zero, zero, zero, zero
                    for k in range(0, P, LANES):
                        value = load(x, 0, k)
                        dot_0 = fma(load(block, j, k), value, dot_0)
                        dot_1 = fma(load(block, j + 1, k), value, dot_1)
                        dot_2 = fma(load(block, j + 2, k), value, dot_2)
                        dot_3 = fma(load(block, j + 3, k), value, dot_3)
                        dot_4 = fma(load(block, j + 4, k), value, dot_4)
                        dot_5 = fma(load(block, j + 5, k), value, dot_5)
                    logit = put(put(put(zero, 0, added(dot_0)), 1, added(dot_1)), 2, added(dot_2))
                    logit = put(put(put(logit, 3, added(dot_3)), 4, added(dot_4)), 5, added(dot_5))
                    store(sign, G + j // TOGETHER, 0, logit)
                if MARGIN:
                    first_score, too_near = sign[G, 0], ZERO
                    for i in range(1, n):
                        short = ONE - first_score + sign[G + i // TOGETHER, i % TOGETHER]
                        apart = short <= ZERO  # not where it is NaN, which must show in the loss
                        loss += 0.0 if apart else short
                        too_near += ZERO if apart else ONE
                        sign[G + i // TOGETHER, i % TOGETHER] = ZERO if apart else -learning_rate
                    sign[G, 0] = too_near * learning_rate
                    for i in range(n, -(-n // TOGETHER) * TOGETHER):
                        sign[G + i // TOGETHER, i % TOGETHER] = ZERO
                else:
                    for j in range(0, n, TOGETHER):
                        right = load(sign, j // TOGETHER, 0)
                        logit = multiply(right, load(sign, G + j // TOGETHER, 0))
                        probability = logistic(larger(splat(LOW), smaller(splat(HIGH), logit)))  # of the right answer
                        store(sign, G + j // TOGETHER, 0, multiply(multiply(rate, right), subtract(one, probability)))
                        for i in range(min(TOGETHER, n - j)):
                            product *= float(pick(probability, i))
                        # A logarithm of the product now and then, instead of one for each factor.
                        if product < 1e-200:
                            loss -= math.log(product)
                            product = 1.0
                for j in range(0, n, TOGETHER):
                    step = load(sign, G + j // TOGETHER, 0)
                    step_0, step_1, step_2 = splat(pick(step, 0)), splat(pick(step, 1)), splat(pick(step, 2))
                    step_3, step_4, step_5 = splat(pick(step, 3)), splat(pick(step, 4)), splat(pick(step, 5))
                    for k in range(0, P, LANES):
                        value = load(x, 0, k)
                        b_0, b_1, b_2 = load(block, j, k), load(block, j + 1, k), load(block, j + 2, k)
                        b_3, b_4, b_5 = load(block, j + 3, k), load(block, j + 4, k), load(block, j + 5, k)
                        # One input is changed in place; the change of several is gathered first.
                        before = load(x, 1, k) if MEAN else load(input_table, contexts[first], k)
                        even = fma(step_4, b_4, fma(step_2, b_2, fma(step_0, b_0, before)))
                        after = add(even, fma(step_5, b_5, fma(step_3, b_3, multiply(step_1, b_1))))
                        if MEAN:
                            store(x, 1, k, after)
                        else:
                            store(input_table, contexts[first], k, after)
                        store(block, j, k, fma(step_0, value, b_0))
                        store(block, j + 1, k, fma(step_1, value, b_1))
                        store(block, j + 2, k, fma(step_2, value, b_2))
                        store(block, j + 3, k, fma(step_3, value, b_3))
                        store(block, j + 4, k, fma(step_4, value, b_4))
                        store(block, j + 5, k, fma(step_5, value, b_5))
                if MEAN:
                    for i in range(first, last):
                        c = contexts[i]
                        for k in range(0, P, LANES):
                            store(input_table, c, k, add(load(input_table, c, k), load(x, 1, k)))
                first = last

            for j in range(n):
                row = rows[j]
                for k in range(0, P, LANES):
                    store(output_table, row, k, load(block, j, k))
        return loss - math.log(product)

    return kernel
