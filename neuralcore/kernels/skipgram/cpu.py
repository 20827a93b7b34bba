"""numba: the block of a window stays in the first-level cache while its context words pass by.

What the speed comes from, each measured: the block (one fetch of K+1 rows a window); six rows worked on at once,
so that an element of the input row is loaded once for six multiplications; P and K as compile-time constants; and
the rows of the next window on their way from memory while this one is computed.

Trap: `x = table[c]` makes a view object whose count of references is kept atomically, ten times slower than all
the arithmetic; so every access is `table[c, k]`. And a row number is read into a local variable before an inner
loop: left as `rows[j]` in it, the compiler must assume that the loop's own stores change it, and does not vectorise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from neuralcore.kernels.skipgram import LOGIT_BOUND

TOGETHER = 6  # rows of the block in one inner loop: the target and the usual five negatives
CACHE_LINE = 16  # float32 numbers


def skipgram(
    input_table: np.ndarray,
    output_table: np.ndarray,
    targets: np.ndarray,
    offsets: np.ndarray,
    contexts: np.ndarray,
    negatives: np.ndarray,
    learning_rate: float,
) -> float:
    """As `neuralcore.kernels.skipgram.skipgram`."""
    kernel = _kernel(input_table.shape[1], negatives.shape[1])
    return kernel(input_table, output_table, targets, offsets, contexts, negatives, np.float32(learning_rate))


@intrinsic
def _prefetch(typing_context: Any, table: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of `table[row, column]`, to be written soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        indices = [builder.sext(a, ir.IntType(64)) if a.type.width < 64 else a for a in arguments[1:]]
        address = cgutils.get_item_pointer(context, builder, signature.args[0], array, indices)
        number, byte_pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        instruction = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number]), "llvm.prefetch.p0"
        )
        for_writing, keep_in_all_levels, data = number(1), number(3), number(1)
        builder.call(instruction, [builder.bitcast(address, byte_pointer), for_writing, keep_in_all_levels, data])
        return context.get_dummy_value()

    return types.void(table, row, column), generate


@cache
def _kernel(P: int, K: int) -> Callable[..., float]:
    """The kernel for rows of P numbers and K negatives, compiled at its first call and cached on disk."""
    ROWS = -(-(K + 1) // TOGETHER) * TOGETHER  # the rows that fill up stay zero and are never written back
    ZERO, ONE, BOUND = np.float32(0), np.float32(1), np.float32(LOGIT_BOUND)

    @njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
    def kernel(
        input_table: np.ndarray,
        output_table: np.ndarray,
        targets: np.ndarray,
        offsets: np.ndarray,
        contexts: np.ndarray,
        negatives: np.ndarray,
        learning_rate: float,
    ) -> float:
        rows = np.empty(ROWS, np.int64)
        block = np.zeros((ROWS, P), np.float32)
        x = np.empty(P, np.float32)
        step = np.zeros(ROWS, np.float32)
        loss, product = 0.0, 1.0
        for w in range(targets.size):
            rows[0] = targets[w]
            n = 1
            for j in range(K):
                row = np.int64(negatives[w, j])
                seen = False
                for i in range(n):
                    seen |= rows[i] == row
                if not seen:
                    rows[n] = row
                    n += 1
            for j in range(n):
                row = rows[j]
                for k in range(P):
                    block[j, k] = output_table[row, k]
            if w + 1 < targets.size:
                for k in range(0, P, CACHE_LINE):
                    _prefetch(output_table, targets[w + 1], k)
                    for j in range(K):
                        _prefetch(output_table, negatives[w + 1, j], k)

            for i in range(offsets[w], offsets[w + 1]):
                c = contexts[i]
                for k in range(P):
                    x[k] = input_table[c, k]
                for j in range(0, ROWS, TOGETHER):
                    dot_0, dot_1, dot_2, dot_3, dot_4, dot_5 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
                    for k in range(P):
                        dot_0 += block[j, k] * x[k]
                        dot_1 += block[j + 1, k] * x[k]
                        dot_2 += block[j + 2, k] * x[k]
                        dot_3 += block[j + 3, k] * x[k]
                        dot_4 += block[j + 4, k] * x[k]
                        dot_5 += block[j + 5, k] * x[k]
                    step[j], step[j + 1], step[j + 2] = dot_0, dot_1, dot_2
                    step[j + 3], step[j + 4], step[j + 5] = dot_3, dot_4, dot_5
                for j in range(n):
                    sign = ONE if j == 0 else -ONE
                    logit = min(max(sign * step[j], -BOUND), BOUND)
                    probability = ONE / (ONE + math.exp(-logit))  # of the right answer
                    step[j] = learning_rate * sign * (ONE - probability)
                    # A logarithm of the product now and then, instead of one for each factor.
                    product *= float(probability)
                    if product < 1e-200:
                        loss -= math.log(product)
                        product = 1.0
                for j in range(n, ROWS):
                    step[j] = ZERO
                for j in range(0, ROWS, TOGETHER):
                    step_0, step_1, step_2 = step[j], step[j + 1], step[j + 2]
                    step_3, step_4, step_5 = step[j + 3], step[j + 4], step[j + 5]
                    for k in range(P):
                        b_0, b_1, b_2 = block[j, k], block[j + 1, k], block[j + 2, k]
                        b_3, b_4, b_5 = block[j + 3, k], block[j + 4, k], block[j + 5, k]
                        input_table[c, k] += (
                            step_0 * b_0 + step_1 * b_1 + step_2 * b_2 + step_3 * b_3 + step_4 * b_4 + step_5 * b_5
                        )
                        block[j, k] = b_0 + step_0 * x[k]
                        block[j + 1, k] = b_1 + step_1 * x[k]
                        block[j + 2, k] = b_2 + step_2 * x[k]
                        block[j + 3, k] = b_3 + step_3 * x[k]
                        block[j + 4, k] = b_4 + step_4 * x[k]
                        block[j + 5, k] = b_5 + step_5 * x[k]

            for j in range(n):
                row = rows[j]
                for k in range(P):
                    output_table[row, k] = block[j, k]
        return loss - math.log(product)

    return kernel
