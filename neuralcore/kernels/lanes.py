"""Sixteen float32 numbers at a time, in numba: what a compiler does to a loop, said instead of hoped for.

LLVM takes 32-byte vectors on processors that have 64-byte ones, numba has no switch for it, and it calls `exp`
number by number. A value of type `lanes` is sixteen float32 by its type; where registers are narrower, LLVM makes two
or four of it. `load` and `store` want no alignment, but are twice as fast at addresses that are multiples of 64: see
`neuralcore.kernels.alignment`.

    total = splat(np.float32(0))
    for k in range(0, P, LANES):
        total = fma(load(a, i, k), load(b, j, k), total)
    product = added(total)                                   # a[i] @ b[j]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from neuralcore.kernels.alignment import LANES

_NUMBER, _WHOLE = ir.FloatType(), ir.IntType(32)
_VECTOR, _WHOLES = ir.VectorType(_NUMBER, LANES), ir.VectorType(_WHOLE, LANES)
_ANY_ORDER = ("reassoc", "contract")  # sums in another order, a * b + c in one step; never "fast", which denies NaN


class Lanes(types.Type):
    """numba's type of sixteen float32."""


lanes = Lanes("lanes")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any):
        super().__init__(manager, frontend_type, _VECTOR)


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Where `table[row, column]` lies."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    indices = [builder.sext(a, ir.IntType(64)) if a.type.width < 64 else a for a in arguments[1:3]]
    return cgutils.get_item_pointer(context, builder, signature.args[0], array, indices)


@intrinsic
def load(typing_context: Any, table: Any, row: Any, column: Any) -> Any:
    """table[row, column : column + 16]"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(_address(context, builder, signature, arguments), _VECTOR.as_pointer())
        return builder.load(place, align=4)

    return lanes(table, row, column), generate


@intrinsic
def store(typing_context: Any, table: Any, row: Any, column: Any, value: Any) -> Any:
    """table[row, column : column + 16] = value"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(_address(context, builder, signature, arguments), _VECTOR.as_pointer())
        builder.store(arguments[3], place, align=4)
        return context.get_dummy_value()

    return types.void(table, row, column, value), generate


@intrinsic
def prefetch(typing_context: Any, table: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of `table[row, column]`, to be written soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(_address(context, builder, signature, arguments), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, _WHOLE, _WHOLE, _WHOLE])
        instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for_writing, keep_in_all_levels, data = _WHOLE(1), _WHOLE(3), _WHOLE(1)
        builder.call(instruction, [place, for_writing, keep_in_all_levels, data])
        return context.get_dummy_value()

    return types.void(table, row, column), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """The same float32 in all sixteen."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        unset = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(unset, arguments[0], _WHOLE(0))
        return builder.shuffle_vector(first, unset, ir.Constant(_WHOLES, [0] * LANES))

    return lanes(types.float32), generate


@intrinsic
def put(typing_context: Any, values: Any, lane: Any, number: Any) -> Any:
    """The sixteen with a float32 in place of one of them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.insert_element(arguments[0], arguments[2], builder.trunc(arguments[1], _WHOLE))

    return lanes(values, types.int64, types.float32), generate


@intrinsic
def pick(typing_context: Any, values: Any, lane: Any) -> Any:
    """One of the sixteen, a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.extract_element(arguments[0], builder.trunc(arguments[1], _WHOLE))

    return types.float32(values, types.int64), generate


@intrinsic
def added(typing_context: Any, values: Any) -> Any:
    """The sum of the sixteen, a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_NUMBER, [_NUMBER, _VECTOR])
        reduce = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.fadd.v16f32")
        return builder.call(reduce, [_NUMBER(0.0), arguments[0]], fastmath=_ANY_ORDER)

    return types.float32(values), generate


def _arithmetic(count: int, generate: Callable[[Any, Any], Any], doc: str) -> Any:
    """An operation of `count` lanes on lanes."""

    def compile_with(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return generate(builder, arguments)

    if count == 1:

        def one(typing_context: Any, a: Any) -> Any:
            return lanes(lanes), compile_with

        one.__doc__ = doc
        return intrinsic(one)
    if count == 2:

        def two(typing_context: Any, a: Any, b: Any) -> Any:
            return lanes(lanes, lanes), compile_with

        two.__doc__ = doc
        return intrinsic(two)

    def three(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
        return lanes(lanes, lanes, lanes), compile_with

    three.__doc__ = doc
    return intrinsic(three)


def _named(name: str, count: int, doc: str) -> Any:
    """An operation that LLVM has under a name."""

    def generate(builder: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * count)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)

    return _arithmetic(count, generate, doc)


def _second_unless(relation: str) -> Callable[[Any, Any], Any]:
    """a where a < b (or a > b), else b."""

    def generate(builder: Any, arguments: Any) -> Any:
        a, b = arguments
        return builder.select(builder.fcmp_ordered(relation, a, b), a, b)

    return generate


def _power_of_two(builder: Any, arguments: Any) -> Any:
    """The exponent's bits, 23 from the right, count from -127."""
    exponent = builder.add(builder.fptosi(arguments[0], _WHOLES), ir.Constant(_WHOLES, [127] * LANES))
    return builder.bitcast(builder.shl(exponent, ir.Constant(_WHOLES, [23] * LANES)), _VECTOR)


def _over_root(builder: Any, arguments: Any) -> Any:
    """LLVM makes an estimate of the root and a Newton step of it, where the processor has one: no slow division."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR])
    root = cgutils.get_or_insert_function(builder.module, kind, "llvm.sqrt.v16f32")
    estimated = ("arcp", "afn", *_ANY_ORDER)
    return builder.fdiv(arguments[0], builder.call(root, arguments[1:], fastmath=estimated), flags=estimated)


add = _arithmetic(2, lambda builder, a: builder.fadd(*a, flags=_ANY_ORDER), "a + b")
subtract = _arithmetic(2, lambda builder, a: builder.fsub(*a, flags=_ANY_ORDER), "a - b")
multiply = _arithmetic(2, lambda builder, a: builder.fmul(*a, flags=_ANY_ORDER), "a * b")
divide = _arithmetic(2, lambda builder, a: builder.fdiv(*a), "a / b")
fma = _named("llvm.fma.v16f32", 3, "a * b + c")
smaller = _arithmetic(2, _second_unless("<"), "min(a, b), or NaN where b is NaN")
larger = _arithmetic(2, _second_unless(">"), "max(a, b), or NaN where b is NaN")
whole = _named("llvm.nearbyint.v16f32", 1, "the nearest whole numbers")
over_root = _arithmetic(2, _over_root, "a / sqrt(b) for finite b above 0, to 22 bits")
power_of_two = _arithmetic(1, _power_of_two, "2^a for whole numbers a in -126..127")

_F = np.float32
_LOG2_E, _LN2_HIGH, _LN2_LOW = _F(1.4426950408889634), _F(-0.693359375), _F(2.12194440e-4)
_C2, _C3, _C4 = _F(5.0000001201e-1), _F(1.6666665459e-1), _F(4.1665795894e-2)
_C5, _C6, _C7 = _F(8.3334519073e-3), _F(1.3981999507e-3), _F(1.9875691500e-4)


@njit(inline="always")
def exponential(x):
    """exp(x) for |x| <= 87, to one unit in the last place: 2^n e^r, r at most ln(2) / 2, by Cephes' polynomial."""
    n = whole(multiply(x, splat(_LOG2_E)))
    r = fma(n, splat(_LN2_LOW), fma(n, splat(_LN2_HIGH), x))
    p = fma(splat(_C7), r, splat(_C6))
    p = fma(p, r, splat(_C5))
    p = fma(p, r, splat(_C4))
    p = fma(p, r, splat(_C3))
    p = fma(p, r, splat(_C2))
    p = fma(p, multiply(r, r), add(r, splat(_F(1))))
    return multiply(p, power_of_two(n))


@njit(inline="always")
def logistic(x):
    """1 / (1 + exp(-x)) for |x| <= 87."""
    one = splat(_F(1))
    return divide(one, add(one, exponential(subtract(splat(_F(0)), x))))
